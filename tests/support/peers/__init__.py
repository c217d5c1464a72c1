"""What the adapters are tested against: real peers on loopback, each a subclass of `Peer`."""

"""One module for each way to act on an outside system; each keeps `integrations.contract.Adapter`."""

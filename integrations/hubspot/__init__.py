"""HubSpot: contacts, deals and other records, written by a property that names them."""

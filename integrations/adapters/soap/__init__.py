"""The adapter `soap.call`: operations of SOAP services that a WSDL describes."""

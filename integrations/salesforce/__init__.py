"""Salesforce: records by an external id, and SOQL with bound values."""

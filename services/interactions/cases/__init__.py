"""Cases: everything a customer needs done, from opening to confirmed satisfaction."""

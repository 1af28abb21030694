"""rivergate.adapters"""

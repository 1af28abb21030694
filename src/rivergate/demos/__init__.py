"""rivergate.demos"""

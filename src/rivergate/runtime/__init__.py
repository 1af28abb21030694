"""rivergate.runtime"""

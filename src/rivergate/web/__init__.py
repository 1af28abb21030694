"""rivergate.web"""

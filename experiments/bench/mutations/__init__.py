"""The mutation campaign: one fault at a time in the program of Nova, Cinder and Neutron, beside the study's figures."""

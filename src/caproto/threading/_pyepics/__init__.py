"""What `caproto.threading.pyepics_compat` is made of."""

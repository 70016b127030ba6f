"""What an array is, for everything that moves arrays: dtypes on the wire, memory of any owner.

Private.  A leaf: it imports NumPy and errors, and nothing else of fastnet.
"""

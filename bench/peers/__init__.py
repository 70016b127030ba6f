"""Other libraries that move arrays or messages, at their best as far as their manuals say how."""

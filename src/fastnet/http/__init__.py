"""HTTP: `fastnet.http.server`, the standard module's names, and `fastnet.http.files`."""

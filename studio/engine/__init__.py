"""Loading models and answering: one protocol (OpenAI's HTTP API), one client, and the backends that speak it.

Start with `protocol.py`. `server.py` puts a `Generator` on HTTP, `client.py` talks to any such server (no torch),
`transformers_engine.py` is the backend of our own: one base in memory, adapters switched per request.
"""

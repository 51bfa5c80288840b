"""The process that fetches and parses foreign bytes, and has nothing that is worth stealing.

It holds no cluster token and no record key; what it says is judged by the controller's gates.
"""

"""The import tree of funchost: host, triggers and bindings, which live beside this folder."""

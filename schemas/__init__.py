"""The contracts of Silofrei: everything that crosses a wire or stands in a configuration file.

Owns: frozen, versioned pydantic models and the enums that name things. Refuses: behaviour, I/O and
imports from any other Silofrei package.
"""

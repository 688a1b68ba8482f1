"""Messages, live or recorded, to posed frames."""

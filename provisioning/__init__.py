"""Identity: county authority, keys, enrolment, tokens; the line that can be cut and the demo county."""


class ProvisioningError(Exception):
    """Something that cannot be done as asked; the message is for the person who asked and says what to do."""

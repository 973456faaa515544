"""The one exception for mistakes that a user can mend."""


class UserError(Exception):
    """A mistake of the user's, told in one line: what is wrong, where, and what to write or do instead.

    The command line prints the message without a traceback and ends with exit status 2.
    """

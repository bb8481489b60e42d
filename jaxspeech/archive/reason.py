"""Why the system could not read or write a file, in a few words."""


def system_reason(error: BaseException) -> str:
    """Returns the short reason of an error, also of TensorStore's, "...: reason [os_error_code=...]"."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).split(" [")[0].splitlines()[0].rsplit(": ", 1)[-1] if str(error) else type(error).__name__

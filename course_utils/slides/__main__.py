"""The command `python -m course_utils.slides`."""

from .building import main

if __name__ == "__main__":
    main()

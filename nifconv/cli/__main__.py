"""`python -m nifconv.cli`, the same as the console script `nifconv`."""

from nifconv.cli import main

if __name__ == "__main__":
    main()

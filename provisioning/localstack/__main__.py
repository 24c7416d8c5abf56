"""`python -m provisioning.localstack`."""

from provisioning.localstack.cli import main

if __name__ == "__main__":
    main()

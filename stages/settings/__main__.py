"""`python -m stages.settings`: validate params.yaml as a whole; one clear line when something is wrong."""

from __future__ import annotations

from clapline.errors import door
from stages.settings.checks import check_params


@door
def main() -> None:
    """Check every section and what must agree between sections."""
    print(f"settings: {check_params()} sections are valid")


if __name__ == "__main__":
    main()

"""The monitoring of the suite from the command line.

python -m libs.monitoring                      write alerts, dashboards and runbooks into the chart
python -m libs.monitoring check                exit code 1 when the chart's files are not what the declarations say
python -m libs.monitoring picture --prometheus URL --out FILE.svg [--dashboard NAME] [--minutes N]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from libs.engine.exits import Exit
from libs.localstack.processes import StackError
from libs.monitoring import files


def main() -> int:
    """Does what the arguments say and returns the exit code of the process."""
    arguments = _parser().parse_args()
    try:
        match arguments.command:
            case "picture":
                return _picture(arguments)
            case "check":
                return _check(arguments.runbooks)
            case _:
                return _write(arguments.runbooks)
    except StackError as error:
        print(f"kehu: {error}", file=sys.stderr)
        return Exit.FAILED


def _write(base: str) -> int:
    changed = files.write(base=base)
    print("\n".join(changed) if changed else "Alerts, dashboards and runbooks are up to date.")
    return 0


def _check(base: str) -> int:
    stale = files.differences(files.FOLDER, files.generate(base))
    for name in stale:
        print(f"{name} is not what libs/monitoring declares; run `make chart`.", file=sys.stderr)
    return Exit.FAILED if stale else Exit.DONE


def _picture(arguments: argparse.Namespace) -> int:
    from libs.monitoring import picture
    from libs.monitoring.prometheus import Api

    source = Path(files.FOLDER / "dashboards" / f"{arguments.dashboard}.json").read_text(encoding="utf-8")
    drawn = picture.draw(source, Api(arguments.prometheus), minutes=arguments.minutes)
    arguments.out.write_text(drawn, encoding="utf-8")
    print(arguments.out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m libs.monitoring", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runbooks", default=files.RUNBOOKS, metavar="BASE", help="what links to runbooks begin with")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("check", help="compare the chart's files with the declarations")
    picture = commands.add_parser("picture", help="draw a dashboard from live data")
    picture.add_argument("--prometheus", required=True, metavar="URL")
    picture.add_argument("--out", required=True, type=Path, metavar="FILE")
    picture.add_argument("--dashboard", default="overview", choices=[p.stem for p in _dashboards()], metavar="NAME")
    picture.add_argument("--minutes", default=15.0, type=float, help="how far it looks back")
    return parser


def _dashboards() -> list[Path]:
    return sorted((files.FOLDER / "dashboards").glob("*.json"))


if __name__ == "__main__":
    sys.exit(main())

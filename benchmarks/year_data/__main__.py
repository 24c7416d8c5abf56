"""`python -m benchmarks.year_data`: make the data if need be, and print what it takes on disk."""

import argparse
import time
from dataclasses import replace

import psycopg

from benchmarks.year_data.city import table_sizes, year_city
from benchmarks.year_data.shape import Shape


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="Example: python -m benchmarks.year_data --nodes 50",
    )
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--raw-days", type=int, default=30)
    parser.add_argument("--anew", action="store_true", help="throw away what is kept")
    parser.add_argument("--hold", action="store_true", help="keep it running until Ctrl-C")
    wanted = parser.parse_args()
    shape = replace(Shape(), nodes_n=wanted.nodes, raw_days=wanted.raw_days)
    with year_city(shape, anew=wanted.anew) as city:
        with psycopg.connect(city.dsn()) as conn:
            for table, rows_n, size in table_sizes(conn):
                each = size / rows_n if rows_n else 0
                print(f"{table:<24}{rows_n:>12} rows {size / 1e6:>9.0f} MB {each:>6.0f} bytes each")
        print(f"{city.span.began:%Y-%m-%d} to {city.span.end:%Y-%m-%d %H:%M}Z")
        print(city.dsn())
        while wanted.hold:
            time.sleep(1)


if __name__ == "__main__":
    main()

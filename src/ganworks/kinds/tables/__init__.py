"""Tables of numbers, categories and dates (.csv, .tsv, .parquet, a DataFrame) -> new rows."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="tables",
    order=150,
    title="tables",
    example={"shape": (10,)},
    recipes={
        "table": ("recipes:table", "domain/table"),
        "ctgan": ("recipes:ctgan", "domain/modes-table"),
    },
    parts={
        "domain/table": "domain:Table",
        "domain/modes-table": "domain:ModesTable",
        "networks/columns": "networks:ColumnNetworks",
        "networks/ctgan": "networks:CTGAN",
        "game/table": "game:Tabular",
    },
    default="table",
    noun="rows",
    recognise="recognise",
    reads=("tables: .csv, .tsv (also .gz), .parquet.",),
    examples=(
        "ganworks train customers.csv budget=10m              a table; a column of steady dates makes it a time series",
        "ganworks sample runs/customers-table-1 5000 out=customers.csv",
    ),
)

from __future__ import annotations

import pytest

from analytics_service.errors import QueryRefused
from analytics_service.statements import checked, streams


@pytest.mark.parametrize(
    ("sql", "statement"),
    [
        ("SELECT 1", "SELECT 1"),
        ("  select 1 ; ", "select 1"),
        ("-- why\nSELECT 1 -- because", "SELECT 1"),
        ("/* ; */ SELECT ';' AS \"a;b\", `c;d` FROM t;;", "SELECT ';' AS \"a;b\", `c;d` FROM t"),
        ("SELECT 'it''s; \\'so\\''", "SELECT 'it''s; \\'so\\''"),
        ("SELECT $x$;$x$", "SELECT $x$;$x$"),
        ("((SELECT 1))", "((SELECT 1))"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "WITH a AS (SELECT 1) SELECT * FROM a"),
        ("SHOW TABLES", "SHOW TABLES"),
        ("describe turns", "describe turns"),
        ("EXPLAIN SELECT 1", "EXPLAIN SELECT 1"),
        (
            "SELECT file, url FROM t WHERE remote IN ('file(')",
            "SELECT file, url FROM t WHERE remote IN ('file(')",
        ),
        (
            "SELECT format('{}', a), airport(x), filename(y)",
            "SELECT format('{}', a), airport(x), filename(y)",
        ),
    ],
)
def test_what_may_be_asked_is_handed_on_without_its_end(sql: str, statement: str) -> None:
    assert checked(sql) == statement


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("", "nothing was asked"),
        (" ; -- only a remark", "nothing was asked"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT 1; DROP TABLE calls", "more than one statement"),
        ("DROP TABLE calls", "DROP may not be asked"),
        ("insert into t select 1", "insert may not be asked"),
        ("/* SELECT */ TRUNCATE t", "TRUNCATE may not be asked"),
        ("KILL QUERY WHERE 1", "KILL may not be asked"),
        ("USE system", "USE may not be asked"),
        ("SET readonly = 0", "SET may not be asked"),
        ("'SELECT'", "may not be asked"),
        ("SELECT 1 INTO OUTFILE 'x'", "INTO a file"),
        ("SELECT 1 into /* hm */ outfile 'x'", "INTO a file"),
        ("SELECT file('/etc/passwd')", "file\\(\\) reaches outside"),
        ("SELECT `file` /**/ ('/etc/passwd')", "file\\(\\) reaches outside"),
        ("SELECT * FROM \"URL\"('http://x')", "URL\\(\\) reaches outside"),
        ("SELECT * FROM s3Cluster('a', 'b')", "s3Cluster\\(\\) reaches outside"),
        ("SELECT * FROM executable('x', 'TSV', 'a Int8')", "executable\\(\\) reaches outside"),
        ("SELECT * FROM python(x)", "python\\(\\) reaches outside"),
        ("SELECT aiGenerate('a')", "aiGenerate\\(\\) reaches outside"),
    ],
)
def test_what_may_not_be_asked_is_named(sql: str, words: str) -> None:
    with pytest.raises(QueryRefused, match=words) as caught:
        checked(sql)
    assert caught.value.mend


def test_only_selects_are_taken_row_by_row() -> None:
    assert streams("SELECT 1")
    assert streams("( ( select 1))")
    assert streams("with a as (select 1) select 1")
    assert not streams("SHOW TABLES")
    assert not streams("DESCRIBE turns")

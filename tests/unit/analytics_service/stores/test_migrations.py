from __future__ import annotations

from analytics_service.stores.migrations import migrations, views


def test_migrations_are_numbered_without_gaps() -> None:
    assert [one.version for one in migrations()] == list(range(1, len(migrations()) + 1))


def test_every_table_can_be_made_again() -> None:
    for migration in migrations():
        for statement in migration.statements:
            assert " IF NOT EXISTS " in statement, migration.name


def test_every_view_can_be_made_again_and_says_what_it_is() -> None:
    assert len(views()) >= 10
    for view in views():
        assert view.startswith("CREATE OR REPLACE VIEW ")
        assert "\nCOMMENT '" in view

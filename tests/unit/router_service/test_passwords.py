from router_service.passwords import Passwords

CHEAP = Passwords(memory_kib=8, rounds=1)


async def test_a_password_matches_its_hash_and_no_other() -> None:
    hashed = await CHEAP.hash("correct horse")

    assert hashed.startswith("$argon2id$")
    assert "correct horse" not in hashed
    assert await CHEAP.matches(hashed, "correct horse")
    assert not await CHEAP.matches(hashed, "correct horse ")
    assert await CHEAP.hash("correct horse") != hashed


async def test_nobody_has_no_password() -> None:
    for guess in ("", "the password of nobody", "correct horse"):
        assert not await CHEAP.matches(None, guess)


async def test_what_is_no_hash_matches_nothing() -> None:
    assert not await CHEAP.matches("plain", "plain")
    assert not await CHEAP.matches("", "")


async def test_a_hash_of_other_parameters_is_outdated_and_still_matches() -> None:
    dear = Passwords(memory_kib=16, rounds=2)
    hashed = await CHEAP.hash("correct horse")

    assert dear.is_outdated(hashed)
    assert not CHEAP.is_outdated(hashed)
    assert await dear.matches(hashed, "correct horse")

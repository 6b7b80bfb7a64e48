"""Who comes in, and as whom."""

import pwd
import secrets
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from casita.errors import LoginError, ServiceError


def test_a_listed_user_comes_in_with_their_password_only(town):
    with town.eve.login() as session:
        assert session.user == town.eve.name
        assert session.api("GET", "/user").json()["admin"] is False
    wrong = type(town.eve)(town.eve.name, "wrong", town.eve.url)
    assert "Invalid username or password" in wrong.refused()


def test_somebody_unlisted_is_told_so_after_the_right_password_only(town):
    page = town.stranger.refused()
    assert "may not use this facility" in page
    assert "login.users" in page
    wrong = type(town.stranger)(town.stranger.name, "wrong", town.stranger.url)
    assert "may not use" not in wrong.refused()


def test_root_does_not_come_in(town):
    assert "Invalid username or password" in town.admin.refused("root")


def test_nobody_comes_in_as_the_administrator_by_a_name_like_theirs(town):
    name, bob = town.admin.name, town.bob
    tricks = [name.upper(), f"{name} ", f" {name}", f"{name}/", f"../{name}", f"./{name}"]
    tricks += [f"{name}/../{bob.name}", f"{bob.name}/../{name}", f"{name}\\", f"{name}%20"]
    tricks += [f"{name}\t", f"{name}\u200b", f"{name}@{bob.name}", f"{name},{bob.name}"]
    with ThreadPoolExecutor(4) as at_once:  # PAM takes its time to refuse
        pages = list(at_once.map(bob.refused, tricks))
    assert [t for t, p in zip(tricks, pages, strict=True) if "Invalid username" not in p] == []
    # A person may type their own name in capitals.
    with town.admin.login() as session:
        assert session.user == name


def test_an_account_that_differs_in_capitals_is_not_the_administrator(town):
    twin = type(town.admin)(town.admin.name.capitalize(), secrets.token_hex(12), town.admin.url)
    subprocess.run(["useradd", "--badname", "--no-create-home", twin.name], check=True)
    try:
        line = f"{twin.name}:{twin.password}\n"
        subprocess.run(["chpasswd"], input=line, text=True, check=True)
        assert "Invalid username or password" in twin.refused()
    finally:
        subprocess.run(["userdel", twin.name], check=True)


def test_an_administrator_adds_a_user_whose_account_is_made(town):
    new = type(town.eve)(f"casita-t{secrets.token_hex(4)}", secrets.token_hex(12), town.eve.url)
    try:
        with town.admin.login() as admin:
            admin.api("POST", "/users", json={"usernames": [new.name]})
            assert new.uid >= 1000
            assert stat.S_IMODE(new.home.stat().st_mode) == 0o700
            assert new.home.stat().st_uid == new.uid
            assert "Invalid username" in new.refused()  # no password yet
            line = f"{new.name}:{new.password}\n"
            subprocess.run(["chpasswd"], input=line, text=True, check=True)
            new.login().__exit__(None, None, None)
            admin.api("DELETE", f"/users/{new.name}")
            assert "may not use this facility" in new.refused()
    finally:
        subprocess.run(["userdel", "--remove", new.name], check=False, capture_output=True)


def test_a_hub_administrator_does_not_become_root(town):
    with town.admin.login() as admin:
        with pytest.raises(ServiceError, match="'root' is root's account"):
            admin.api("POST", "/users", json={"usernames": ["root"]})
        for bad in ("../x", "-o", "--root=/", "a b", "x" * 40, "Ä", "a/b", "."):
            with pytest.raises(ServiceError, match="Invalid username"):
                admin.api("POST", "/users", json={"usernames": [bad]})
        admin.api("PATCH", f"/users/{town.eve.name}", json={"name": "root"})
        try:
            with pytest.raises(ServiceError, match="'root' is root's account"):
                admin.api("POST", "/users/root/server")
            token = admin.api("POST", "/users/root/tokens", json={"expires_in": 60}).json()["token"]
            made = httpx.post(
                f"{town.facility.url}/services/dask-gateway/api/v1/clusters/",
                headers={"Authorization": f"token {token}"},
                json={},
            )
            assert made.status_code in (401, 403, 422), made.text
        finally:
            admin.api("PATCH", "/users/root", json={"name": town.eve.name})
    assert pwd.getpwnam("root").pw_uid == 0


def test_a_locked_account_stays_out(town):
    subprocess.run(["usermod", "--expiredate", "1", town.eve.name], check=True)
    try:
        with pytest.raises(LoginError):
            town.eve.login()
    finally:
        subprocess.run(["usermod", "--expiredate", "", town.eve.name], check=True)
    town.eve.login().__exit__(None, None, None)

"""The real things the tests run against: Redis, MariaDB, the server, Node clients, Chromium, Laravel.

Each is a pytest fixture and nothing is a mock. A service is private to the test run: own directory under
the system's temporary folder, own free port on 127.0.0.1, gone when pytest ends, killed by the kernel when
pytest is killed.
"""

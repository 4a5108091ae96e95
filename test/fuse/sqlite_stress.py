"""sqlite_stress.py DIR: SQLite in WAL and rollback modes, several processes, with kills between; integrity at the end."""
import multiprocessing, os, random, sqlite3, sys, time
def worker(path, seed, seconds):
    rng = random.Random(seed)
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    end = time.time() + seconds
    while time.time() < end:
        try:
            db.execute('BEGIN IMMEDIATE')
            for _ in range(rng.randrange(1, 30)):
                k = rng.randrange(2000)
                if rng.random() < 0.2: db.execute('DELETE FROM t WHERE k=?', (k,))
                else: db.execute('INSERT OR REPLACE INTO t VALUES(?,?)', (k, os.urandom(rng.randrange(1, 3000))))
            db.execute('UPDATE n SET n=n+1')
            db.execute('ROLLBACK' if rng.random() < 0.1 else 'COMMIT')
        except sqlite3.OperationalError as e:
            if 'locked' not in str(e) and 'busy' not in str(e): raise
            try: db.execute('ROLLBACK')
            except sqlite3.OperationalError: pass
os.chdir(sys.argv[1])
seconds = float(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else 1
for mode in ('wal', 'delete', 'truncate', 'persist'):
    path = f'{mode}.db'
    db = sqlite3.connect(path)
    assert db.execute(f'PRAGMA journal_mode={mode}').fetchone()[0] == mode
    db.execute('CREATE TABLE t(k INTEGER PRIMARY KEY, v BLOB)'); db.execute('CREATE TABLE n(n)'); db.execute('INSERT INTO n VALUES(0)')
    db.commit(); db.close()
    ps = [multiprocessing.Process(target=worker, args=(path, i, seconds)) for i in range(3)]
    for p in ps: p.start()
    time.sleep(seconds / 2); ps[0].kill()
    for p in ps: p.join()
    assert [p.exitcode for p in ps[1:]] == [0, 0], [p.exitcode for p in ps]
    db = sqlite3.connect(path)
    assert db.execute('PRAGMA integrity_check').fetchone()[0] == 'ok'
    print(mode, db.execute('SELECT n FROM n').fetchone()[0], 'transactions')

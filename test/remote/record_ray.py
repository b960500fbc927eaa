"""Records what a real Ray head node answers, into test/fixtures/remote/ray-api.json: record_ray.py HOST PORT OUT

Recorded with Ray 2.60.0, a head node on this machine and a job that prints events as python/fettle_runner/ray_job.py does.
"""

import base64
import http.client
import json
import os
import socket
import sys
import time

host, port, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
answers = {}


def ask(name, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(host, port, timeout=60)
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    text = response.read().decode("utf8")
    if name:
        answers[name] = {"status": response.status, "text": text}
    return json.loads(text) if response.status == 200 and text else None


def post(name, path, body):
    return ask(name, "POST", path, json.dumps(body), {"content-type": "application/json"})


ask("version", "GET", "/api/version")
package = "/api/packages/gcs/_ray_pkg_" + os.urandom(16).hex() + ".zip"
ask("package absent", "GET", package)
ask("package put", "PUT", package, b"PK\x05\x06" + bytes(18))
ask("package present", "GET", package)
try:
    ask("package too large", "PUT", package, bytes(101 * 2**20))
except (BrokenPipeError, ConnectionResetError):
    pass
event = 'import json, time\nfor i in range(3):\n print(json.dumps({"time": "t", "seq": i + 1, "attempt": 1, "type": "step", "step": i + 1}), flush=True); time.sleep(0.3)'
job = {"entrypoint": f"{sys.executable} -c '{event}'", "submission_id": "fettle-recorded", "runtime_env": {}}
post("submit", "/api/jobs/", job)
post("submit twice", "/api/jobs/", job)
post("submit without its slash", "/api/jobs", job)
raw = socket.create_connection((host, port))
raw.sendall((f"GET /api/jobs/fettle-recorded/logs/tail HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode() + "\r\n\r\n").encode())
raw.settimeout(60)
data = b""
while True:
    piece = raw.recv(65536)
    if not piece:
        break
    data += piece
    if b"\r\n\r\n" in data and data.split(b"\r\n\r\n", 1)[1].endswith(b"\x88\x02\x03\xe8"):
        break
head, frames = data.split(b"\r\n\r\n", 1)
answers["tail"] = {"status": int(head.split()[1]), "frames": base64.b64encode(frames).decode()}
for _ in range(60):
    state = ask("state", "GET", "/api/jobs/fettle-recorded")
    if state["status"] not in ("PENDING", "RUNNING"):
        break
    time.sleep(1)
ask("state of none", "GET", "/api/jobs/fettle-none")
post("stop", "/api/jobs/fettle-recorded/stop", {})
ask(None, "DELETE", "/api/jobs/fettle-recorded")
with open(out, "w", encoding="utf8") as file:
    json.dump(answers, file, indent=1)
    file.write("\n")

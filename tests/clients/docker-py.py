# SPDX-License-Identifier: MIT
"""What scripts do with docker-py: containers, streams, archives, events, networks, volumes, images, errors."""
import concurrent.futures
import io
import tarfile
import threading
import time
import unittest

import docker
from docker.errors import APIError, BuildError, ContainerError, ImageNotFound, NotFound

client = docker.from_env()


def archive(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


class Case(unittest.TestCase):
    def run_detached(self, command, **options):
        c = client.containers.run("busybox", command, detach=True, **options)
        self.addCleanup(self.remove, c)
        return c

    def remove(self, c):
        try:
            c.remove(force=True)
        except NotFound:
            pass  # the test did


class Containers(Case):
    def test_run_gives_the_output(self):
        self.assertEqual(client.containers.run("busybox", "echo hello", remove=True), b"hello\n")

    def test_run_raises_with_the_exit_code_and_stderr(self):
        with self.assertRaises(ContainerError) as raised:
            client.containers.run("busybox", ["sh", "-c", "echo trouble >&2; exit 3"], remove=True, stderr=True)
        self.assertEqual(raised.exception.exit_status, 3)
        self.assertIn(b"trouble", raised.exception.stderr)

    def test_options_arrive(self):
        out = client.containers.run(
            "busybox", ["sh", "-c", "echo $A $(hostname) $(pwd) $(id -u); ulimit -n; touch /ro 2>/dev/null || echo read-only"],
            environment={"A": "b"}, hostname="boat", working_dir="/tmp", user="1000", remove=True,
            read_only=True, ulimits=[docker.types.Ulimit(name="nofile", soft=123, hard=456)])
        self.assertEqual(out.decode().split(), ["b", "boat", "/tmp", "1000", "123", "read-only"])

    def test_logs_follow_to_the_end(self):
        c = self.run_detached(["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.1; done"])
        self.assertEqual(b"".join(c.logs(stream=True, follow=True)), b"line 1\nline 2\nline 3\n")
        self.assertEqual(c.wait()["StatusCode"], 0)
        self.assertEqual(c.logs(tail=1), b"line 3\n")
        self.assertRegex(c.logs(timestamps=True).decode(), r"^\d{4}-\d\d-\d\dT")

    def test_attach_with_a_socket(self):
        c = client.containers.create("busybox", "cat", stdin_open=True)
        self.addCleanup(self.remove, c)
        sock = c.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        c.start()
        sock._sock.sendall(b"ping\n")
        self.assertEqual(next(docker.utils.socket.frames_iter(sock, tty=False)), (1, b"ping\n"))
        sock._sock.close()

    def test_no_output_is_lost_to_a_reader_that_buffers(self):
        """docker-py reads the head of an answer through a buffer, and the stream from the socket behind it."""
        c = self.run_detached("sleep 1000")

        def execs():
            for _ in range(25):
                self.assertEqual(c.exec_run("echo hello").output, b"hello\n")

        # Several at once, so that they are not read at once.
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(execs) for _ in range(4)]:
                done.result()

    def test_exec(self):
        c = self.run_detached("sleep 1000", environment={"A": "b"})
        code, out = c.exec_run(["sh", "-c", "echo $A $B; exit 4"], environment={"B": "c"})
        self.assertEqual((code, out), (4, b"b c\n"))
        out, err = c.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True).output
        self.assertEqual((out, err), (b"out\n", b"err\n"))
        chunks = c.exec_run(["sh", "-c", "echo 1; sleep 0.1; echo 2"], stream=True).output
        self.assertEqual(b"".join(chunks), b"1\n2\n")
        self.assertEqual(c.exec_run("pwd", workdir="/tmp").output, b"/tmp\n")

    def test_archives_both_ways(self):
        c = self.run_detached("sleep 1000")
        self.assertTrue(c.put_archive("/tmp", archive(a="one", b="two")))
        stream, stat = c.get_archive("/tmp/b")
        self.assertEqual((stat["name"], stat["size"]), ("b", 3))
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            self.assertEqual(tar.extractfile("b").read(), b"two")
        with self.assertRaises(NotFound):
            c.get_archive("/nowhere")

    def test_life(self):
        c = self.run_detached("sleep 1000", name="py-life", labels={"kind": "boat"}, restart_policy={"Name": "always"})
        self.assertEqual([x.name for x in client.containers.list(filters={"label": "kind=boat"})], ["py-life"])
        c.pause()
        c.reload()
        self.assertEqual(c.status, "paused")
        c.unpause()
        c.rename("py-renamed")
        c.update(restart_policy={"Name": "no"})
        before = c.attrs["State"]["Pid"]
        c.restart(timeout=0)
        c.reload()
        self.assertNotEqual(c.attrs["State"]["Pid"], before)
        self.assertEqual(c.name, "py-renamed")
        self.assertIn("sleep 1000", str(c.top()["Processes"]))
        self.assertIn("memory_stats", c.stats(stream=False))
        self.assertIn({"Path": "/made", "Kind": 1}, (c.exec_run("touch /made"), c.diff())[1])
        c.kill("SIGKILL")
        self.assertEqual(c.wait(timeout=10)["StatusCode"], 137)

    def test_health(self):
        c = self.run_detached("sleep 1000", healthcheck={"test": ["CMD", "true"], "interval": 200_000_000})
        for _ in range(100):
            c.reload()
            if c.attrs["State"]["Health"]["Status"] == "healthy":
                return
            time.sleep(0.1)
        self.fail(c.attrs["State"]["Health"])


class Others(Case):
    def test_events_of_a_life(self):
        seen, events = [], client.events(decode=True, filters={"type": "container", "label": "watched"})

        def watch():
            for event in events:
                seen.append(event["Action"])
                if event["Action"] == "destroy":
                    return
        thread = threading.Thread(target=watch)
        thread.start()
        client.containers.run("busybox", "true", labels=["watched"], remove=True)
        thread.join(20)
        events.close()
        self.assertEqual([a for a in seen if a != "attach"], ["create", "start", "die", "destroy"])

    def test_a_network_with_names(self):
        network = client.networks.create("py-net", driver="bridge", ipam=docker.types.IPAMConfig(
            pool_configs=[docker.types.IPAMPool(subnet="10.61.9.0/24")]))
        self.addCleanup(network.remove)
        server = self.run_detached(["sh", "-c", "mkdir /w; echo served > /w/x; httpd -f -h /w"], name="py-server")
        self.addCleanup(lambda: network.disconnect(server, force=True))
        network.connect(server, aliases=["web"], ipv4_address="10.61.9.77")
        out = client.containers.run(
            "busybox", ["sh", "-c", "until wget -qO- http://web/x 2>/dev/null; do sleep 0.05; done"], network="py-net", remove=True)
        self.assertEqual(out, b"served\n")
        server.reload()
        self.assertEqual(server.attrs["NetworkSettings"]["Networks"]["py-net"]["IPAddress"], "10.61.9.77")
        self.assertEqual([n.name for n in client.networks.list(names=["py-net"])], ["py-net"])

    def test_a_volume_outlives_its_containers(self):
        volume = client.volumes.create("py-volume", labels={"a": "b"})
        self.addCleanup(volume.remove)
        mount = [docker.types.Mount("/v", "py-volume")]
        client.containers.run("busybox", ["sh", "-c", "echo kept > /v/f"], mounts=mount, remove=True)
        self.assertEqual(client.containers.run("busybox", "cat /v/f", mounts=mount, remove=True), b"kept\n")
        holder = self.run_detached("sleep 1000", mounts=mount)
        with self.assertRaises(APIError) as raised:
            volume.remove()
        self.assertEqual(raised.exception.status_code, 409)
        holder.remove(force=True)

    def test_images(self):
        image = client.images.get("busybox")
        self.assertTrue(image.tag("py-copy", "1"))
        image.reload()
        saved = b"".join(image.save(named="py-copy:1"))
        client.images.remove("py-copy:1")
        with self.assertRaises(ImageNotFound):
            client.images.get("py-copy:1")
        self.assertEqual(client.images.load(saved)[0].id, image.id)
        self.assertEqual(len(client.images.list(name="py-copy")), 1)
        self.assertTrue(client.images.get("py-copy:1").history())
        client.images.remove("py-copy:1")

    def test_build(self):
        dockerfile = io.BytesIO(b"FROM busybox\nARG A\nENV B=$A\nRUN echo built > /f\nCMD cat /f\n")
        image, log = client.images.build(fileobj=dockerfile, tag="py-built", buildargs={"A": "x"}, rm=True)
        self.addCleanup(lambda: client.images.remove("py-built", force=True))
        self.assertIn("B=x", image.attrs["Config"]["Env"])
        self.assertTrue(any("Successfully built" in line.get("stream", "") for line in log))
        self.assertEqual(client.containers.run("py-built", remove=True), b"built\n")
        with self.assertRaises(BuildError):
            client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN false\n"))

    def test_commit(self):
        c = self.run_detached(["sh", "-c", "echo made > /f"])
        c.wait()
        image = c.commit("py-commit", "1", changes="CMD cat /f")
        self.addCleanup(lambda: client.images.remove(image.id, force=True))
        self.assertEqual(client.containers.run("py-commit:1", remove=True), b"made\n")

    def test_errors_have_their_types(self):
        with self.assertRaises(NotFound):
            client.containers.get("nobody")
        with self.assertRaises(ImageNotFound):
            client.containers.create("py-nothing")
        with self.assertRaises(APIError) as raised:
            client.containers.create("busybox", name="bad name")
        self.assertEqual(raised.exception.status_code, 400)

    def test_the_engine_tells_of_itself(self):
        self.assertEqual(client.version()["Os"], "linux")
        self.assertIn("name=rootless", client.info()["SecurityOptions"])
        self.assertTrue(client.ping())
        self.assertIn("Images", client.df())


class Lines(unittest.TestResult):
    """Results as tests/run reads them."""

    def addSuccess(self, test):
        print("ok - docker-py: " + test.id().split(".", 1)[1], flush=True)

    def addFailure(self, test, why):
        text = self._exc_info_to_string(why, test)
        print("not ok - docker-py: %s: %s" % (test.id().split(".", 1)[1], text.replace("\n", " | ")), flush=True)

    addError = addFailure


if __name__ == "__main__":
    unittest.defaultTestLoader.loadTestsFromModule(__import__("__main__")).run(Lines())

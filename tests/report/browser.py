"""A browser without a screen, driven over its DevTools pipe: one page, whose errors and console are watched."""

import base64
import json
import os
import subprocess
import tempfile
import time


class Browser:
    def __init__(self, command, width, height, dark=False):
        to_browser, self.commands = os.pipe()
        self.answers, from_browser = os.pipe()

        def as_devtools_pipe():
            # The browser reads 3 and writes 4.
            saved = [os.dup(fd) for fd in (to_browser, from_browser)]
            os.dup2(saved[0], 3)
            os.dup2(saved[1], 4)

        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [command, "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             f"--user-data-dir={self.folder.name}", "about:blank"],
            close_fds=False, preexec_fn=as_devtools_pipe, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.rest = b""
        self.number = 0
        self.session = None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def print_preview(self):
        """The page as it is printed: its style for paper, drawn anew."""
        self.call("Emulation.setEmulatedMedia", media="print")
        self.evaluate("dispatchEvent(new Event('beforeprint'))")

    def _receive(self):
        while b"\0" not in self.rest:
            part = os.read(self.answers, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, path):
        """Opens a file; returns the seconds until the page's load event, its scripts run."""
        return self.open_address(f"file://{path}")

    def open_address(self, address):
        start, seen = time.monotonic(), len(self.events)
        self.call("Page.navigate", url=address)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events[seen:]):
            self.events.append(self._receive())
        self.evaluate("document.readyState")
        return time.monotonic() - start

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description", expression))
        return result["result"].get("value")

    def wait_for(self, expression, limit_s=5):
        """Whether the expression becomes true: charts handle a click with the next frame."""
        end = time.monotonic() + limit_s
        while not (holds := self.evaluate(expression)) and time.monotonic() < end:
            time.sleep(0.02)
        return holds

    def press(self, key):
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode={"Enter": 13, "Escape": 27, "ArrowRight": 39, "Tab": 9}[key])

    def click(self, x, y):
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def complaints(self):
        """Console errors and warnings, exceptions, and anything asked of a network."""
        found = []
        for event in self.events:
            method, said = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(said["exceptionDetails"].get("exception", {}).get("description", "exception"))
            elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
                found.append(str([argument.get("value") for argument in said["args"]]))
            elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
                found.append(said["entry"]["text"])
            elif method == "Network.requestWillBeSent" and not said["request"]["url"].startswith(("file:", "data:")):
                found.append("asked for " + said["request"]["url"])
        return found

    def screenshot(self, path, height=None):
        clip = {} if height is None else {"clip": {"x": 0, "y": 0, "width": self.evaluate("innerWidth"), "height": height,
                                                   "scale": 1}, "captureBeyondViewport": True}
        coding = {"format": "png"} if path.endswith(".png") else {"format": "webp", "quality": 70}
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", **coding, **clip)["data"]))

    def close(self):
        os.close(self.commands)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.answers)
        self.folder.cleanup()

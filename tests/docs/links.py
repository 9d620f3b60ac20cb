"""Links between pages, and how long the README is."""

import os
import re

from common import ROOT, complain, read

README_LINES = 120


def anchors_of(text):
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    found = set()
    inside = False
    for line in text.splitlines():
        inside ^= line.lstrip().startswith("```")
        if not inside and (heading := re.match(r"#+ (.*)", line)):
            words = re.sub(r"[^\w\s-]", "", heading[1]).strip().lower()
            found.add(re.sub(r"\s", "-", words))
    return found


def check_links():
    pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
    for folder, _, names in os.walk(os.path.join(ROOT, "docs")):
        pages += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names if name.endswith(".md")]
    for page in pages:
        prose = re.sub(r"^```.*?^```$", "", read(page), flags=re.S | re.M)
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose)):
            path, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not os.path.exists(os.path.join(ROOT, file)):
                complain(page, f"there is no {target}")
            elif anchor and anchor not in anchors_of(read(file)):
                complain(page, f"{path} has no heading {anchor}")
            elif page.startswith("docs/") and not file.startswith("docs"):
                complain(page, f"{target} is no page of the site")
    if (lines := len(read("README.md").splitlines())) > README_LINES:
        complain("README.md", f"{lines} lines; it is to have {README_LINES} at most")

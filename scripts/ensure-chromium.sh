#!/bin/sh
# Finds Chrome or Chromium, and installs Chromium where none is found. Says what it does.
set -eu

say() { printf '%s\n' "$*" >&2; }

found() {
    for path in \
        "${CHROME_PATH:-}" \
        /usr/lib/chromium/chromium /usr/bin/chromium \
        /usr/bin/google-chrome-stable /usr/bin/google-chrome /opt/google/chrome/chrome \
        /usr/bin/chromium-browser /usr/lib64/chromium-browser/chromium-browser \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
        "/Applications/Chromium.app/Contents/MacOS/Chromium"
    do
        # Ubuntu's chromium-browser is a script that only points to the snap.
        if [ -n "$path" ] && [ -x "$path" ] && ! grep -qs 'snap install chromium\|/snap/bin/chromium' "$path"; then
            say "Browser: $path"
            return 0
        fi
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else say "+ sudo $*"; sudo "$@"; fi
}

found && exit 0

system=$(uname -s)
id=
id_like=
if [ -r /etc/os-release ]; then
    # shellcheck disable=SC1091
    id=$(. /etc/os-release; echo "${ID:-}")
    # shellcheck disable=SC1091
    id_like=$(. /etc/os-release; echo "${ID_LIKE:-}")
fi

case "$system:$id:$id_like" in
    Linux:ubuntu:*)
        say "No browser found. Ubuntu's package 'chromium' is a snap, and a snap cannot use hidden"
        say "folders such as .wwebjs_auth, where the logins are. Install Google Chrome instead:"
        say "  wget https://dl.google.com/linux/direct/google-chrome-stable_current_amd64.deb"
        say "  sudo apt install ./google-chrome-stable_current_amd64.deb"
        say "or set CHROME_PATH to a Chromium that is not a snap. Then run this again."
        exit 1 ;;
    Linux:debian:*|Linux:*:*debian*)
        say "No browser found; installing the Debian package 'chromium'."
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null ;;
    Linux:fedora:*|Linux:*:*fedora*)
        say "No browser found; installing the Fedora package 'chromium'."
        as_root dnf install -y -q chromium ;;
    Darwin:*)
        if command -v brew >/dev/null 2>&1; then
            say "No browser found; installing Google Chrome with Homebrew."
            brew install --cask google-chrome
        else
            say "No browser found. Install Google Chrome from https://www.google.com/chrome/ and run this again."
            exit 1
        fi ;;
    *)
        say "No browser found, and it is not known how to install one on this system."
        say "Install Chromium or Google Chrome, or set CHROME_PATH to the one you have."
        exit 1 ;;
esac

found || { say "Chromium was installed, but is in none of the usual places. Set CHROME_PATH to it."; exit 1; }

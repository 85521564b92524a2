# The few commands. `make` alone lists them.
.POSIX:
.PHONY: help demo run test check deny chromium reference torture soak clean-demo

CARGO ?= cargo
# Where the demo keeps its sessions and its simulated WhatsApp.
DEMO_DIR ?= $(CURDIR)/demo-data

help:
	@echo 'make demo    try it on a simulated WhatsApp, with an empty data folder'
	@echo 'make run     the daemon on the real WhatsApp Web'
	@echo 'make test    every check and every test (installs Chromium if there is none)'
	@echo 'make check   formatting, lints and documentation only'
	@echo 'make torture 200 faults over 500 sends (TORTURE="--seed N --kills N --sends N")'
	@echo 'make soak    half an hour of traffic, with the memory of the daemon (SOAK="--minutes N")'

chromium:
	@scripts/ensure-chromium.sh

# A new folder each time, so that everybody sees the first QR. KEEP=1 goes on with the last one.
demo: chromium
	@test -n "$(KEEP)" || rm -rf "$(DEMO_DIR)"
	$(CARGO) build --release -p zapnode-http -p zapnode-cli
	@ZAPNODE_DATA_DIR="$(DEMO_DIR)" ZAPNODE_AUTH_DIR="$(DEMO_DIR)/.wwebjs_auth" \
		target/release/zapnode-http --sandbox

run: chromium
	$(CARGO) build --release -p zapnode-http -p zapnode-cli
	target/release/zapnode-http

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features --quiet -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --all-features --quiet

# Licences and sources of what we depend on; advisories need the network, so they are left out.
deny:
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --offline check licenses bans sources; \
	else echo 'cargo-deny is not installed here; licences and sources were not checked.'; fi

# Two at a time: each end-to-end test runs browsers of its own.
test: chromium check deny
	$(CARGO) build --workspace --all-features --quiet
	$(CARGO) test --workspace --all-features --quiet -- --test-threads 2 --skip reference_client
	$(MAKE) reference

# whatsapp-web.js from npm, unmodified, on the simulated WhatsApp; one line a check.
reference: chromium
	$(CARGO) test -p zapnode-tests --all-features --quiet --test e2e -- --nocapture reference_client

# Best as root on Debian with libfaketime: a full disk and a jumping clock are left out elsewhere, and
# the tally says so. The debug build that the tests use does: what takes its time is Chromium.
torture: chromium
	$(CARGO) build -p zapnode-http --all-features --quiet
	$(CARGO) run -p zapnode-tests --all-features --quiet --bin torture -- $(TORTURE)

soak: chromium
	$(CARGO) build --release -p zapnode-http --all-features --quiet
	$(CARGO) run --release -p zapnode-tests --all-features --quiet --bin soak -- $(SOAK)

# The one entry point. `make setup` once on a new machine, then `make demo` or `make test`.

SWIFT   ?= swift
CONFIG  ?= release
PREFIX  ?= /usr
DESTDIR ?=

# What is needed from Debian, named here once. CONTRIBUTING.md says why each is.
PACKAGES_BUILD := git libdbus-1-dev libvirt-dev libyaml-dev pkg-config
PACKAGES_RUN   := dbus libvirt-clients libvirt-daemon-system ovmf polkitd qemu-system-x86 qemu-utils swtpm swtpm-tools xorriso
PACKAGES_TEST  := iproute2 ipxe libglib2.0-bin mtools procps python3-dbus python3-gi python3-jinja2 python3-pytest \
                  systemd util-linux
PACKAGES_BENCH := gcc libvirt-dbus
PACKAGES_LINT  := libxml2-utils pyflakes3 shellcheck
PACKAGES       := $(PACKAGES_BUILD) $(PACKAGES_RUN) $(PACKAGES_TEST) $(PACKAGES_LINT)

BINARIES   := .build/$(CONFIG)
RESULTS    := .build/test-results
BUILD_ARGS := -c $(CONFIG) --static-swift-stdlib
PYTHON     := /usr/bin/python3
BINDIR     := $(PREFIX)/bin
LIBEXECDIR := $(PREFIX)/libexec
DATADIR    := $(PREFIX)/share
# The bus and polkit look under /usr and /etc only, wherever the rest is.
BUS_POLICY := $(if $(filter /usr,$(PREFIX)),/usr/share/dbus-1/system.d,/etc/dbus-1/system.d)
ACTIONS    := /usr/share/polkit-1/actions
AS_ROOT    := $(if $(filter 0,$(shell id -u)),,sudo)

# What is installed: mode, source and destination of each file. `uninstall` reads the same list.
TEMPLATES := $(shell find Templates -type f -name '*.j2' 2>/dev/null)
FILES := \
    755:$(BINARIES)/neuron-vm:$(BINDIR)/neuron-vm \
    755:$(BINARIES)/neuron-vmd:$(LIBEXECDIR)/neuron-vmd \
    644:dbus/org.neuronos.VMManager.conf:$(BUS_POLICY)/org.neuronos.VMManager.conf \
    644:dbus/org.neuronos.VMManager.service:$(DATADIR)/dbus-1/system-services/org.neuronos.VMManager.service \
    $(foreach f,$(wildcard dbus/*.xml),644:$(f):$(DATADIR)/dbus-1/interfaces/$(notdir $(f))) \
    644:polkit/org.neuronos.vmmanager.policy:$(ACTIONS)/org.neuronos.vmmanager.policy \
    644:systemd/neuron-vmd.service:$(PREFIX)/lib/systemd/system/neuron-vmd.service \
    644:polkit/neuron-vm.rules.example:$(DATADIR)/doc/neuron-vm/neuron-vm.rules.example \
    644:systemd/neuron-vm.sysusers:$(PREFIX)/lib/sysusers.d/neuron-vm.conf \
    644:systemd/neuron-vm.tmpfiles:$(PREFIX)/lib/tmpfiles.d/neuron-vm.conf \
    $(foreach f,$(TEMPLATES),644:$(f):$(DATADIR)/neuron-vm/templates/$(f:Templates/%=%))

SCRIPTS        := .ci/run Tests/build-test-media Tests/demo Tests/sandbox
PYTHON_SOURCES := Tests/bench Tests/mutate Tests/soak Tests/start-unit Tests/summarize Tests/torture \
                  $(wildcard Tests/benchmarks/*.py Tests/EndToEndTests/*.py Tests/EndToEndTests/*/*.py Tests/SystemdTests/*.py)

.PHONY: all setup build demo test test-unit test-e2e test-systemd test-media fuzz torture soak bench sanitize mutation install uninstall \
    interfaces \
    format lint clean

all: build

# Everything after `make setup` works without a network, but for the first build and the first test media.
setup:
	@missing=$$(for package in $(PACKAGES); do \
	    dpkg-query -W -f='$${db:Status-Status}\n' $$package 2>/dev/null | grep -qx installed || echo $$package; \
	done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	install() { $(AS_ROOT) env DEBIAN_FRONTEND=noninteractive \
	    apt-get install --yes --quiet --no-install-recommends $$missing </dev/null; }; \
	install || { $(AS_ROOT) apt-get update --quiet </dev/null && install; }

build:
	$(SWIFT) build $(BUILD_ARGS)

demo: setup build test-media
	$(AS_ROOT) Tests/sandbox Tests/demo $(MEDIA)

test: setup
	@rm -rf $(RESULTS)
	@status=0; \
	$(MAKE) --no-print-directory test-unit || status=1; \
	$(MAKE) --no-print-directory test-e2e PARTS=2 || status=1; \
	$(MAKE) --no-print-directory test-systemd || status=1; \
	$(PYTHON) Tests/summarize $(RESULTS) || status=1; \
	exit $$status

test-unit:
	@mkdir -p $(RESULTS)
	$(SWIFT) test --no-parallel --xunit-output $(RESULTS)/unit.xml

# Most of the time the tests wait for something, so that parts of them may run beside each other, each in a sandbox of its own.
PARTS ?= 1
test-e2e: build test-media
	@mkdir -p $(RESULTS)
	@$(AS_ROOT) true; \
	run_part() { env --default-signal=INT $(AS_ROOT) Tests/sandbox --logs $(RESULTS)/log/$$1 -- env NEURON_TEST_MEDIA=$(MEDIA) NEURON_TEST_PART=$$1/$(PARTS) \
	    $(PYTHON) -m pytest -p no:cacheprovider --junit-xml=$(RESULTS)/end-to-end-$$1.xml Tests/EndToEndTests $(PYTEST_ARGS); }; \
	others=; status=0; \
	for part in $$(seq 2 $(PARTS)); do \
	    run_part $$part >$(RESULTS)/end-to-end-$$part.log 2>&1 & others="$$others $$part:$$!"; \
	done; \
	run_part 1 || status=1; \
	for other in $$others; do \
	    wait $${other#*:} || status=1; \
	    cat $(RESULTS)/end-to-end-$${other%:*}.log; \
	done; \
	exit $$status

# The unit under systemd itself; where that cannot be the sandbox says why, and it counts as skipped.
test-systemd: build
	@mkdir -p $(RESULTS)
	@$(AS_ROOT) Tests/sandbox --systemd --logs $(RESULTS)/log -- \
	    $(PYTHON) -m pytest -p no:cacheprovider --junit-xml=$(RESULTS)/systemd.xml Tests/SystemdTests $(PYTEST_ARGS); \
	status=$$?; [ $$status -eq 77 ] || exit $$status; \
	echo '<testsuite><testcase classname="Tests" name="SystemdTests"><skipped/></testcase></testsuite>' >$(RESULTS)/systemd.xml

# Random calls for minutes instead of seconds. A failure prints the seed that repeats it.
FUZZ_CALLS ?= 100000
FUZZ_SEED  ?=
fuzz: build
	@mkdir -p $(RESULTS)
	$(AS_ROOT) Tests/sandbox --logs $(RESULTS)/log -- env FUZZ_CALLS=$(FUZZ_CALLS) FUZZ_SEED=$(FUZZ_SEED) \
	    $(PYTHON) -m pytest -p no:cacheprovider -rP Tests/EndToEndTests/test_fuzz.py $(PYTEST_ARGS)

# Speed and memory against virsh and libvirt-dbus, about five minutes. Fails when a bar is missed. BENCH_ARGS=--quick: one.
BENCH_ARGS ?=
bench: PACKAGES += $(PACKAGES_BENCH)
bench: setup build
	@mkdir -p $(RESULTS)
	$(AS_ROOT) Tests/sandbox --logs $(RESULTS)/log -- Tests/bench --json $(RESULTS)/bench.json $(BENCH_ARGS)

# The service is killed, and a call of it fails, at each system call of making, removing and recovering.
torture: build
	@mkdir -p $(RESULTS)
	$(AS_ROOT) Tests/sandbox --logs $(RESULTS)/log -- Tests/torture --json $(CURDIR)/$(RESULTS)/torture.json $(TORTURE_ARGS)

# Mixed load with faults; fails if anything grows or is lost.
SOAK_MINUTES ?= 20
soak: build
	@mkdir -p $(RESULTS)
	$(AS_ROOT) Tests/sandbox --logs $(RESULTS)/log -- \
	    Tests/soak --minutes $(SOAK_MINUTES) --json $(CURDIR)/$(RESULTS)/soak.json $(SOAK_ARGS)

# The tests of what runs at the same time, with every access to memory watched. Fails if one races with another.
CLANG      ?= clang
TSAN_DIR   := .build-tsan
TSAN_ARGS  := --sanitize=thread --scratch-path $(TSAN_DIR)
CONCURRENT := ^(DBus|Libvirt|VMCore|VMManagerService)Tests\.
sanitize:
	$(SWIFT) build --build-tests $(TSAN_ARGS)
	$(CLANG) -shared -fPIC -O2 -Wall -o $(TSAN_DIR)/tsan-mutex.so Tests/tsan-mutex.c
	LD_PRELOAD=$(CURDIR)/$(TSAN_DIR)/tsan-mutex.so \
	    $(SWIFT) test --skip-build $(TSAN_ARGS) --no-parallel --filter '$(CONCURRENT)'

# Each authorization and each check is taken away, one at a time. Fails if no unit test notices one of them.
mutation:
	$(PYTHON) Tests/mutate $(MUTATIONS)

# The guest of the tests, made once from Debian's packages and kept.
MEDIA := .build/test-media
test-media:
	Tests/build-test-media $(MEDIA)

install:
	@for binary in $(BINARIES)/neuron-vm $(BINARIES)/neuron-vmd; do \
	    test -x $$binary || { echo "$$binary is missing: run 'make build' first" >&2; exit 1; }; \
	done
	@set -e; for file in $(FILES); do \
	    mode=$${file%%:*}; paths=$${file#*:}; \
	    install -D -m $$mode "$${paths%%:*}" "$(DESTDIR)$${paths#*:}"; \
	done
	@sed -i 's|^ExecStart=/usr/libexec/|ExecStart=$(LIBEXECDIR)/|' $(DESTDIR)$(PREFIX)/lib/systemd/system/neuron-vmd.service

uninstall:
	@for file in $(FILES); do rm -f "$(DESTDIR)$${file##*:}"; done
	@-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(DATADIR)/neuron-vm/templates $(DESTDIR)$(DATADIR)/neuron-vm $(DESTDIR)$(DATADIR)/doc/neuron-vm 2>/dev/null

# The contract as XML, written anew from VMManagerAPI; a test fails while it differs.
interfaces:
	WRITE_INTERFACE_FILES=1 $(SWIFT) test --filter InterfaceFilesTests

format:
	$(SWIFT) format format --in-place --parallel --recursive Package.swift Sources Tests

lint: build
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests
	shellcheck $(SCRIPTS)
	pyflakes3 $(PYTHON_SOURCES)
	xmllint --noout --nonet $(wildcard dbus/*.conf dbus/*.xml)
	xmllint --noout --nonet --dtdvalid /usr/share/polkit-1/policyconfig-1.dtd $(wildcard polkit/*.policy)
	@# The unit is judged where it stands when it is installed, next to its binary.
	$(AS_ROOT) Tests/sandbox --no-service -- systemd-analyze verify --man=no neuron-vmd.service
	systemd-analyze security --offline=true --threshold=10 --no-pager systemd/neuron-vmd.service >/dev/null

clean:
	rm -rf .build .build-mutation $(TSAN_DIR)

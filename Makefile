# ngx_http_presence_module.  "make help" lists what can be made.

SHELL := bash

BUILD  := $(CURDIR)/build
MODULE := $(BUILD)/ngx_http_presence_module.so

# The nginx to build for and to test with: the installed one (with its
# nginx-dev), or the one that .ci/deps unpacked, or the source tree in
# NGINX_SRC, which is configured with --with-compat and NGINX_CONFIGURE.

DEBIAN    := $(BUILD)/debian
GIVEN_SRC := $(NGINX_SRC)
NGINX_SRC ?= $(firstword $(wildcard $(DEBIAN)/usr/share/nginx/src \
                                    /usr/share/nginx/src))
NGINX     ?= $(if $(GIVEN_SRC),$(TREE)/objs/nginx,$(firstword \
                 $(shell PATH=$$PATH:/usr/sbin command -v nginx) \
                 $(DEBIAN)/usr/sbin/nginx))

MODULES_PATH ?= $(shell $(NGINX) -V 2>&1 \
                        | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p')

CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Wno-unused-parameter -Werror
CC_OPT    = $(CFLAGS) -ffile-prefix-map=$(CURDIR)/= $(WARNINGS)

# A configured copy of the source for each compiler, so that going from one to
# the other compiles nothing twice.

TREE  := $(BUILD)/nginx-$(notdir $(firstword $(CC)))
BUILT := $(TREE)/objs/ngx_http_presence_module.so

# All processors, unless -j says how many.
NGINX_MAKE = $(MAKE) -s --no-print-directory -C $(TREE) -f objs/Makefile \
    $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))


.PHONY: all
all: $(MODULE)  ## the module: build/ngx_http_presence_module.so

# A running demo has the old file mapped: it is replaced, never written into.
$(MODULE): $(TREE)/objs/Makefile FORCE
	+@$(NGINX_MAKE) modules
	@cmp -s $(BUILT) $@ || cp --remove-destination $(BUILT) $@

$(TREE)/objs/Makefile: config $(wildcard src/redis/scripts/*.lua) $(TREE)/asked
	@[[ -d "$(NGINX_SRC)" ]] || { echo 'there is no nginx to build for: "make' \
	    'deps" gets one, NGINX_SRC=/path/to/source names one' >&2; exit 1; }
	@echo 'configuring for $(NGINX_SRC)'
	@cp -r $(abspath $(NGINX_SRC))/. $(TREE)
	@rm -rf $(TREE)/objs
	@cd $(TREE) && NGX_CONF_FLAGS=(--with-compat) \
	    && if [[ -f conf_flags ]]; then . ./conf_flags; fi \
	    && if [[ -f configure ]]; then how=./configure; else how=auto/configure; fi \
	    && $$how "$${NGX_CONF_FLAGS[@]}" $(NGINX_CONFIGURE) --with-cc='$(CC)' \
	        --with-cc-opt='$(CC_OPT)' --with-ld-opt='$(LDFLAGS)' \
	        --add-dynamic-module='$(CURDIR)' > configure.log 2>&1 \
	    || { tail -n 20 configure.log >&2; rm -rf objs; exit 1; }

# What is asked for, in a file that gets newer only when that changes.
$(TREE)/asked: export ASKED = $(NGINX_SRC) $(NGINX_CONFIGURE) $(CC) $(CC_OPT) \
    $(LDFLAGS) $(shell cat '$(NGINX_SRC)/src/core/nginx.h' 2>&1 | cksum)
$(TREE)/asked: FORCE
	@mkdir -p $(@D)
	@echo "$$ASKED" | cmp -s - $@ || echo "$$ASKED" > $@

# The nginx of a source tree, to test with.
$(TREE)/objs/nginx: $(TREE)/objs/Makefile
	+@$(NGINX_MAKE) binary

# The module with TLS to Redis, where the hiredis that is installed has none and
# .ci/deps got another one for the tests.

HIREDIS    := $(BUILD)/hiredis
TLS_MODULE := $(if $(wildcard $(HIREDIS)/lib),$(BUILD)/tls/$(notdir $(MODULE)))

$(BUILD)/tls/$(notdir $(MODULE)): FORCE
	+@$(MAKE) -s --no-print-directory BUILD='$(@D)' DEBIAN='$(DEBIAN)' \
	    CFLAGS='$(CFLAGS) -I$(HIREDIS)/include' LDFLAGS='-L$(HIREDIS)/lib' all

.PHONY: install
install: $(MODULE)  ## the module, to nginx's MODULES_PATH below DESTDIR
	@[[ "$(MODULES_PATH)" ]] || { echo 'give MODULES_PATH=' >&2; exit 1; }
	install -d '$(DESTDIR)$(MODULES_PATH)'
	install -m 644 $(MODULE) '$(DESTDIR)$(MODULES_PATH)'

.PHONY: deps
deps:  ## what "make" needs and this machine lacks
	@.ci/deps build

.PHONY: demo
demo:  ## the demo, on PORT (8088), with whatever it needs
	@.ci/deps demo
	@$(MAKE) --no-print-directory run-demo

.PHONY: run-demo
run-demo: $(MODULE) $(NGINX)
	@js/demo/run


# Tests.  Each part ends with a line "NAME: N passed, N failed".

export NGINX MODULE

NODE_TEST := node --test-reporter=tap
BROWSER   := $(wildcard t/live/browser*.test.mjs)

# What mostly waits is run two at a time, if there are two processors; not what
# has much to do, or measures, or is a hundred times faster than life.
JOBS  := $(if $(filter 1,$(shell nproc)),1,2)
ALONE := (capacity|process|redis-random|redis-trouble|replays|stream)\.test

.PHONY: test
test:  ## all the tests, with whatever they need
	@.ci/deps test
	+@.ci/tally unit js t live browser

# The plain C parts, under the sanitizers.

UNIT       := $(patsubst t/unit/%.c,$(BUILD)/unit/%,$(wildcard t/unit/*_test.c))
UNIT_PARTS := $(patsubst %,src/ngx_http_presence_%.c,rules clock diagnose \
                  recent record)
UNIT_FLAGS := -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
              -fno-sanitize-recover=all -Isrc $(WARNINGS)

$(BUILD)/unit/%: t/unit/%.c $(UNIT_PARTS) $(wildcard src/*.h)
	@mkdir -p $(@D)
	$(CC) $(UNIT_FLAGS) -o $@ $< $(UNIT_PARTS) -lcmocka

# The wheel is of nginx's types: it needs its headers, and nothing linked.
$(BUILD)/unit/wheel_test: UNIT_PARTS := src/ngx_http_presence_wheel.c
$(BUILD)/unit/wheel_test: UNIT_FLAGS += $(patsubst %,-I$(TREE)/%,objs src/core \
    src/event src/event/modules src/event/quic src/os/unix)
$(BUILD)/unit/wheel_test: src/ngx_http_presence_wheel.c $(TREE)/objs/Makefile

$(BUILD)/unit/redis_test: UNIT_PARTS := $(patsubst %, \
    src/redis/ngx_http_presence_redis_%.c,patience queue record share url)
$(BUILD)/unit/redis_test: $(wildcard src/redis/*.[ch])

# The answers of a cluster, as hiredis reads them.
$(BUILD)/unit/slots_test: UNIT_PARTS := \
    src/redis/ngx_http_presence_redis_slots.c -lhiredis
$(BUILD)/unit/slots_test: $(wildcard src/redis/*.[ch])

.PHONY: unit
unit: $(UNIT)  ## the plain parts: t/unit
	@CMOCKA_MESSAGE_OUTPUT=TAP .ci/tap unit '' $(UNIT)

.PHONY: js
js: js-build  ## the browser client, without a browser
	@.ci/tap js '$(NODE_TEST)' $(wildcard js/test/*.test.mjs)

.PHONY: t
t: $(MODULE) $(NGINX)  ## directives, endpoints, errors: Test::Nginx files (T=)
	@.ci/test-nginx --jobs $(JOBS) $(or $(T),$(sort $(wildcard t/*.t)))

.PHONY: live
live: $(MODULE) $(TLS_MODULE) $(NGINX) $(BUILD)/node/done  ## scenarios with real clients and servers (T=)
	@.ci/tap --jobs $(JOBS) --alone '$(ALONE)' live '$(NODE_TEST)' \
	    $(or $(T),$(filter-out $(BROWSER),$(wildcard t/live/*.test.mjs)))

.PHONY: browser
browser: $(MODULE) $(NGINX) $(BUILD)/node/done js-build  ## pages in a real browser (T=)
	@NODE_PATH=$(BUILD)/node/node_modules \
	    .ci/tap --jobs $(JOBS) browser '$(NODE_TEST)' $(or $(T),$(BROWSER))

# Not of "make test": Firefox is a large package, and the soak takes its time.

.PHONY: firefox
firefox: $(MODULE) $(NGINX) $(BUILD)/node/done  ## the same in Firefox ESR, if it is installed
	@.ci/tap firefox '$(NODE_TEST)' t/live/extra/firefox.test.mjs

.PHONY: random
random: $(MODULE) $(NGINX) $(BUILD)/node/done  ## nodes with Redis against a model: SEEDS (10) of DURATION (60) seconds
	@SEEDS=$(or $(SEEDS),10) DURATION=$(or $(DURATION),60) SEED=$(SEED) \
	    .ci/tap random '$(NODE_TEST)' t/live/redis-random.test.mjs

.PHONY: soak
soak: $(MODULE) $(NGINX)  ## a hidden page for SOAK_MINUTES (15)
	@.ci/tap soak '$(NODE_TEST)' t/live/extra/soak.test.mjs

# The client as a package: js/dist.  The demo serves the sources, and does
# without.

JS_SOURCES := $(filter-out js/demo/%,$(wildcard js/*.js js/*.mjs js/*.json \
                  js/types/*.ts js/src/*.js js/src/*/*.js))

.PHONY: js-build
js-build: $(BUILD)/js/built  ## the package of the browser client: js/dist

$(BUILD)/js/built: $(BUILD)/js/done $(JS_SOURCES)
	@cd js && node build.mjs
	@touch $@

$(BUILD)/js/done: js/package.json js/package-lock.json
	@mkdir -p $(@D)
	@cp $^ $(@D)
	cd $(@D) && npm ci --no-audit --no-fund --cache=$(@D)/npm
	@rm -rf $(@D)/npm
	@ln -sfn ../build/js/node_modules js/node_modules
	@touch $@

$(BUILD)/node/done: t/live/package.json t/live/package-lock.json
	@mkdir -p $(@D)
	@cp $^ $(@D)
	cd $(@D) && npm ci --no-audit --no-fund --cache=$(BUILD)/npm
	@rm -rf $(BUILD)/npm
	@touch $@

.PHONY: valgrind
valgrind: $(MODULE) $(NGINX)  ## some Test::Nginx files under valgrind (T=)
	@.ci/test-nginx --valgrind --jobs $(JOBS) $(or $(T),$(wildcard t/count.t t/stream.t t/users.t))

.PHONY: bench
bench: $(MODULE) $(NGINX)  ## beats against "return 204", bytes per session
	@t/bench/run

.PHONY: lint
lint:  ## compilers' and analyzers' findings, and style
	@.ci/lint


.PHONY: clean
clean:  ## what was built; what was downloaded stays
	[[ ! -d $(BUILD) ]] || find $(BUILD) -mindepth 1 -maxdepth 1 ! -name debian \
	    ! -name perl ! -name node ! -name js ! -name prometheus ! -name php \
	    ! -name hiredis \
	    -exec rm -rf {} +

.PHONY: distclean
distclean:  ## all of build/
	rm -rf $(BUILD) js/dist js/node_modules

.PHONY: help
help:  ## this
	@sed -n 's/^\([a-z-]*\):.*## */\1\t/p' $(MAKEFILE_LIST) | expand -t 14
	@echo
	@echo 'Variables: CC, CFLAGS, LDFLAGS, NGINX_SRC (source tree to build for),'
	@echo 'NGINX_CONFIGURE (its flags), NGINX (the nginx to test with), T (files to'
	@echo 'test), JOBS (that many at a time), DESTDIR, MODULES_PATH, PORT.'

.PHONY: FORCE
FORCE:

# The part of ../dev that tests and lints; it is sourced there. Each part of a run is a row of the table at the end.
# shellcheck shell=sh disable=SC2086,SC2154 # lists of packages; what dev sets

reports=$build/reports
jobs=${PROMP_JOBS:-$(($(nproc) * 2))} # most tests wait more than they work
passed=0 failed=0 skipped=0
kept=0   # cases of long duration that this run leaves to `./dev test full`
list=''  # failed cases by part
table='' # rows: title|cases|failed|skipped|seconds

# ---------------------------------------------------------------- counting

# attribute FILE NAME - the sum of a number in the heads of a JUnit report.
attribute() {
    tr '\n\t' '  ' <"$1" | grep -o '<testsuite [^>]*>' | head -n 1 | grep -o " $2=\"[0-9]*\"" | tr -dc 0-9
}

# failures_of FILE - the names of its failed cases, one a line.
failures_of() {
    tr '\n\t' '  ' <"$1" | sed 's/<testcase /\n&/g' | grep -E '<(failure|error)|status="fail"' |
        sed -e 's/^<testcase \([^>]*\)>.*/ \1/' -e 's/.* name="\([^"]*\)".*/  \1/'
}

# count REPORT STATUS - the cases of a finished runner: all, bad, left (skipped). A runner that failed without naming a case
# is one failure. Without a report it was one case.
count() {
    all=1 bad=0 left=0
    if [ -f "$1" ]; then
        all=$(attribute "$1" tests)
        left=$(attribute "$1" skipped)
        errors=$(attribute "$1" errors)
        failures=$(attribute "$1" failures)
        bad=$((${errors:-0} + ${failures:-0}))
        long=$(grep -o 'message="of long duration' "$1" | wc -l) # conftest.py
        all=$((${all:-0} - long)) left=$((${left:-0} - long)) kept=$((kept + long))
        [ "$2" -eq 0 ] || [ "$bad" -gt 0 ] || { bad=1 all=$((all + 1)); }
    elif [ "$2" -ne 0 ]; then
        bad=1
    fi
}

# counted TITLE REPORT COMMAND... - runs a part of the tests and counts what it reports.
counted() {
    title=$1 report=$2 start=$(date +%s) status=0
    shift 2
    say "$title"
    rm -f "$report"
    "$@" || status=$?
    count "$report" "$status"
    seconds=$(($(date +%s) - start))
    passed=$((passed + all - bad - left)) failed=$((failed + bad)) skipped=$((skipped + left))
    say "$title: $bad failed, $seconds s"
    table="$table$title|$all|$bad|$left|$seconds
"
    if [ "$bad" -gt 0 ]; then
        names=$([ ! -f "$report" ] || failures_of "$report")
        list="$list
$title${names:+
$names}"
    fi
}

# once TITLE COMMAND... - one case.
once() {
    title=$1
    shift
    counted "$title" "$reports/none" "$@"
}

# report_all - the table, what failed, and the closing line.
report_all() {
    printf '%s' "$table" | awk -F '|' '
        function row(title, cases, failed, skipped, seconds) {
            printf "%-44s %8s %8s %8s %8s\n", title, cases, failed, skipped, seconds
        }
        BEGIN { row("part", "cases", "failed", "skipped", "seconds") }
        { row($1, $2, $3, $4, $5); for (i = 2; i <= 5; i++) sum[i] += $i }
        END { row("all", sum[2] + 0, sum[3] + 0, sum[4] + 0, sum[5] + 0) }' >&2
    [ -z "$list" ] || say "failed:$list"
    [ "$kept" -eq 0 ] || echo "$kept tests of long duration only run in ./dev test full"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

# ---------------------------------------------------------------- runners

# Sanitizers of older compilers want the addresses where they know them; this asks the kernel for it where it may.
steady() {
    if setarch "$(uname -m)" -R true 2>/dev/null; then
        setarch "$(uname -m)" -R "$@"
    else
        "$@"
    fi
}

# ctest_in TREE REPORT ARGUMENT...
ctest_in() {
    tree=$1 junit=$2
    shift 2
    steady ctest --test-dir "$tree" -j "$jobs" --output-on-failure --output-junit "$junit" "$@"
}

# pytest_in TREE ARGUMENT... - the tests of whole programs, with the programs of this tree.
pytest_in() {
    tree=$1 status=0
    shift
    # A second try, where it is asked for, is named RERUN in the summary: a fault to be mended, but no reason to stop.
    PROMP_BUILD=$tree steady "$python" -m pytest -rfExXR --durations=10 --timeout=300 -o junit_family=xunit2 \
        ${PROMP_RERUNS:+--reruns "$PROMP_RERUNS"} "$@" "$root/tests" || status=$?
    [ "$status" -ne 5 ] || status=0 # nothing of this part was asked for
    return "$status"
}

# pytests_in TREE ARGUMENT... - the same, several at once: each has folders, ports and processes of its own. Without -v, with which
# pytest-xdist 3.1 asks its processes who they are, and may then run the tests in another thread than the main one.
pytests_in() {
    pytest_in "$@" -n "$jobs" --dist loadgroup
}

# ---------------------------------------------------------------- parts

test_unit() {
    for name in '' asan tsan; do
        report=$reports/unit-${name:-plain}.xml
        some=''
        # Who has no thread has nothing to say under TSan.
        [ "$name" != tsan ] || [ "$whole" = unit ] || some='-L threads'
        counted "unit tests, build/$name" "$report" ctest_in "$build/$name" "$report" -LE sim $some "$@"
    done
}

# The simulator has one thread, so it does not run under TSan. sim/CMakeLists.txt has the seeds of every day. Runs of a whole
# cluster are longer than those of the others.
test_sim() {
    if [ $# -gt 0 ]; then
        once "simulator, $*" "$build/bin/promp-sim" "$@"
    elif [ -n "$full" ]; then
        once "simulator, session, 10000 seeds" "$build/bin/promp-sim" --scene session --seeds 10000
        once "simulator, system, 10000 seeds" "$build/bin/promp-sim" --scene system --seeds 10000
        once "simulator, cluster, 2000 seeds" "$build/bin/promp-sim" --scene cluster --seeds 2000
    fi
    counted "simulator, also of broken cores" "$reports/sim.xml" ctest_in "$build" "$reports/sim.xml" -L sim
    counted "simulator, build/asan" "$reports/sim-asan.xml" ctest_in "$build/asan" "$reports/sim-asan.xml" -L sim
}

test_system() {
    counted "programs" "$reports/system.xml" pytests_in "$build" --junitxml="$reports/system.xml" "$@"
    counted "programs with sanitizers" "$reports/sanitize.xml" pytests_in "$build/asan" -m sanitize \
        --junitxml="$reports/sanitize.xml" "$@"
    [ -n "$full" ] || return 0
    counted "programs, full sizes" "$reports/slow.xml" pytest_in "$build" -v -m slow --junitxml="$reports/slow.xml" "$@"
    PROMP_CHAOS_TIMES=${PROMP_CHAOS_TIMES:-5}
    export PROMP_CHAOS_TIMES
    counted "faults at random moments" "$reports/chaos.xml" pytests_in "$build" -m chaos \
        --junitxml="$reports/chaos.xml" "$@"
}

test_deploy() {
    counted "deployment" "$reports/deploy.xml" pytest_in "$build" -v -m "deploy and not vm" \
        --junitxml="$reports/deploy.xml" "$@"
}

# Emulated, a machine takes a quarter of an hour: only where it is asked for by name.
test_vm() {
    [ "${whole:-}" != full ] || export PROMP_VM=kvm
    counted "virtual machine" "$reports/vm.xml" pytest_in "$build" -v -m vm --junitxml="$reports/vm.xml" "$@"
}

# ---------------------------------------------------------------- commands

# prepare PART - builds what a part needs.
prepare() {
    mkdir -p "$reports"
    export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"
    export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
    export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1 second_deadlock_stack=1}"
    with_tests=ON
    make_tree "$build" || return 1
    case $1 in
    deploy | vm) return 0 ;;
    esac
    make_tree "$build/asan" address || return 1
    case $1 in
    everyday | full) make_tree "$build/tsan" thread threads-tests ;;
    unit) make_tree "$build/tsan" thread ;;
    esac
}

# run_tests [PART [ARGUMENT...]] - everyday, full, or one part with arguments for its runner.
run_tests() {
    part=${1:-everyday}
    [ $# -eq 0 ] || shift
    full=yes
    case $part in
    everyday) full='' parts="unit sim system" ;;
    full) parts="lint unit sim system deploy vm" ;;
    unit | sim) parts=$part ;;
    system) full='' parts=$part ;;
    *) die "there is no part '$part' of the tests: full, unit, sim or system" ;;
    esac
    need $packages_test
    whole=$part
    [ "$whole" != full ] || need $packages_full $packages_lint $packages_package $packages_deploy $packages_vm
    if prepare "$part"; then
        for part in $parts; do
            [ "$part" != deploy ] || once "packages" make_packages
            "test_$part" "$@"
        done
    else
        once "the build" false
    fi
    [ "$whole" != full ] || kept=0
    report_all
}

# run_tests_on_systems PART ARGUMENT... - deploy or vm: tests of installed packages.
run_tests_on_systems() {
    part=$1
    shift
    need $packages_test $packages_package
    case $part in
    deploy) need $packages_deploy ;;
    vm) need $packages_vm ;;
    esac
    prepare "$part" || die "the build failed"
    make_packages || die "the packages could not be made"
    "test_$part" "$@"
    report_all
}

# ---------------------------------------------------------------- lint

lint_format() {
    find "$root" -path "$build*" -prune -o -name .git -prune -o -name '*.[ch]' -print0 |
        xargs -0 clang-format-14 --dry-run -Werror
}

lint_scripts() {
    bad_script=0
    for script in "$root/dev" "$root/tests/run.sh" "$root/bench/run" "$root"/deploy/*/*.sh "$root"/deploy/debian/*/* \
        "$root"/deploy/slurm/*.sbatch; do
        [ ! -f "$script" ] || sh -n "$script" || bad_script=1
    done
    bash -n "$root/.ci/run" && [ "$bad_script" -eq 0 ]
}

lint_documents() {
    "$python" -m pytest -q --noconftest "$root/tests/test_includes.py" "$root/tests/test_errors_doc.py" &&
        make_tree "$build" "" promp-protodoc && "$build/bin/promp-protodoc" --check "$root/docs/protocol.md"
}

test_lint() {
    once "formatting" lint_format
    once "scripts" lint_scripts
    once "include rules and documents" lint_documents
}

run_lint() {
    need $packages_lint
    mkdir -p "$reports"
    test_lint
    report_all || die "lint found something"
    say "lint found nothing"
}

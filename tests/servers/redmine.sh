#!/usr/bin/env bash
# A real Redmine for the tests: Debian's package on SQLite behind Puma, on loopback only, and quiet: it sends no mail.
#
#   tests/servers/redmine.sh start     install what is missing, set up, start, wait until it answers (a second start changes nothing)
#   tests/servers/redmine.sh env       print the variables that switch the tests on: eval "$(tests/servers/redmine.sh env)"
#   tests/servers/redmine.sh status    exit 0 when it answers to the key, 3 when it does not
#   tests/servers/redmine.sh stop      stop it and wait until it is gone; what is in it stays
#
# Needs root on Debian 12. Everything lives under SYNCD_REDMINE_DIR (default /opt/redminetest), as an instance of its own
# beside the package's: remove the folder while it is stopped, and the next start begins from nothing.
# User admin, password "adminadmin". Default data in English, and one custom field of issues: "Client reference".
set -euo pipefail

DIR=${SYNCD_REDMINE_DIR:-/opt/redminetest}
PORT=${SYNCD_REDMINE_PORT:-3000}
KEY=${SYNCD_REDMINE_KEY:-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
WAIT_SECONDS=${SYNCD_REDMINE_WAIT_SECONDS:-90}
INSTANCE=syncdtest
HOME_OF_REDMINE=/usr/share/redmine
URL=http://127.0.0.1:$PORT

fail() { echo "redmine.sh: $*" >&2; exit 1; }

answers() { curl -sf -m 10 -o /dev/null -H "X-Redmine-API-Key: $KEY" "$URL/users/current.json"; }
is_taken() { (exec 9<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }

# The command line is checked too: after a crash the number in the file may belong to somebody else's process.
is_running() {
  local pid
  pid=$(cat "$DIR/puma.pid" 2>/dev/null) && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q puma
}
is_gone() { ! is_running; }

wait_until() {
  local what=$1 deadline=$((SECONDS + WAIT_SECONDS))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || fail "$what within $WAIT_SECONDS s; see $DIR/puma.log and $DIR/instance/log/production.log"
    sleep 0.2
  done
}

apt_install() {
  apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends redmine redmine-sqlite ruby-sqlite3 puma curl
}

# The package would set up an instance of its own; ours needs no database server's client and can be thrown away.
install_packages() {
  command -v puma >/dev/null && command -v curl >/dev/null && [[ -d $HOME_OF_REDMINE/app ]] && return
  export DEBIAN_FRONTEND=noninteractive
  if command -v debconf-set-selections >/dev/null; then
    printf 'redmine redmine/instances/default/%s\n' 'dbconfig-install boolean false' 'database-type select sqlite3' \
      'default-language select en' | debconf-set-selections
  fi
  apt_install >"$DIR/apt.log" 2>&1 || { apt-get update && apt_install; } >>"$DIR/apt.log" 2>&1 ||
    fail "cannot install redmine, redmine-sqlite, ruby-sqlite3, puma and curl; see $DIR/apt.log"
}

make_instance() {
  local home=$DIR/instance
  mkdir -p "$home"/{config,files,log,public/plugin_assets,tmp/cache}
  [[ -s $home/config/secret_key.txt ]] || head -c 48 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$home/config/secret_key.txt"
  printf 'production:\n  adapter: sqlite3\n  database: %s\n  timeout: 20000\n' "$DIR/redmine.db" >"$home/config/database.yml"
  # Mail would go nowhere else: collected in memory.
  printf 'default:\n  email_delivery:\n    delivery_method: :test\n' >"$home/config/configuration.yml"
  chmod 711 "$DIR"
  chown -R www-data:www-data "$home"
  ln -sfn "$home" "/var/lib/redmine/$INSTANCE"
}

write_setup() {
  cat >"$DIR/setup.rb" <<RUBY
Setting.rest_api_enabled = '1'
Setting.notified_events = []
Setting.default_language = 'en'
admin = User.find_by_login('admin')
admin.password = admin.password_confirmation = 'adminadmin'
admin.must_change_passwd = false
admin.save!
Token.where(user_id: admin.id, action: 'api').where.not(value: '$KEY').delete_all
Token.find_or_create_by!(user_id: admin.id, action: 'api').update_column(:value, '$KEY')
field = IssueCustomField.find_or_initialize_by(name: 'Client reference')
field.update!(field_format: 'string', is_for_all: true, is_filter: true, trackers: Tracker.all.to_a)
RUBY
}

as_redmine() {
  (cd "$HOME_OF_REDMINE" && exec runuser -u www-data -- env RAILS_ENV=production REDMINE_LANG=en REDMINE_INSTANCE="$INSTANCE" \
    HOME="$DIR/instance" SCHEMA="$DIR/instance/schema.rb" TZ=UTC RUBYOPT=-W0 "$@")
}

# Tables, default data, REST and the key: done again only when it was not finished.
make_database() {
  [[ -e $DIR/ready ]] && return
  rm -f "$DIR/redmine.db"
  install -o www-data -g www-data -m 600 /dev/null "$DIR/redmine.db"
  # SQLite keeps its journal beside the file.
  chown www-data "$DIR"
  write_setup
  {
    as_redmine bin/rake db:migrate && as_redmine bin/rake redmine:load_default_data &&
      as_redmine bin/rails runner "$DIR/setup.rb"
  } >"$DIR/setup.log" 2>&1 || fail "cannot set up the database; see $DIR/setup.log"
  touch "$DIR/ready"
}

# One process: several on one SQLite file would meet its lock.
start_puma() {
  as_redmine setsid puma -e production -t 2:4 -b "tcp://127.0.0.1:$PORT" --pidfile "$DIR/puma.pid" --dir "$HOME_OF_REDMINE" \
    </dev/null >>"$DIR/puma.log" 2>&1 &
  disown
}

start() {
  answers && { echo "redmine.sh: already running at $URL"; return; }
  [[ $(id -u) == 0 ]] || fail "start needs root: Redmine runs as www-data"
  mkdir -p "$DIR"
  install_packages
  stop_quietly
  is_taken && fail "port $PORT is taken by something else; set SYNCD_REDMINE_PORT"
  make_instance
  make_database
  start_puma
  wait_until "Redmine did not answer at $URL" answers
  echo "redmine.sh: running at $URL, in $DIR"
}

stop_quietly() {
  if is_running; then kill "$(cat "$DIR/puma.pid")" 2>/dev/null || true; fi
  wait_until "Redmine did not stop" is_gone
}

stop() {
  [[ $(id -u) == 0 ]] || fail "stop needs root"
  if [[ -d $DIR ]]; then stop_quietly; fi
  echo "redmine.sh: stopped"
}

status() {
  if answers; then echo "redmine.sh: running at $URL"; else echo "redmine.sh: not running"; exit 3; fi
}

print_env() {
  cat <<CONF
export SYNCD_TEST_REDMINE=$URL
export SYNCD_TEST_REDMINE_KEY=$KEY
CONF
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  status) status ;;
  env) print_env ;;
  *) fail "usage: $0 start|stop|status|env" ;;
esac

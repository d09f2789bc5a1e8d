#!/usr/bin/env bash
# A real mail server for the tests: Postfix takes mail over SMTP, Dovecot gives it back over IMAP, both on loopback only.
#
#   tests/servers/mail.sh start     install what is missing, start, wait until both answer (a second start changes nothing)
#   tests/servers/mail.sh env       print the variables that switch the tests on: eval "$(tests/servers/mail.sh env)"
#   tests/servers/mail.sh status    exit 0 when both answer, 3 when they do not
#   tests/servers/mail.sh stop      stop both and wait until they are gone
#
# Needs root on Debian 12. Everything lives under SYNCD_MAIL_DIR (default /opt/mailtest).
# Users ops@test.invalid and crm@test.invalid, password "secret".
# Port 1025: plain and STARTTLS; 1465: implicit TLS; 1143: IMAP. Nothing is ever delivered outside.
set -euo pipefail

DIR=${SYNCD_MAIL_DIR:-/opt/mailtest}
SMTP_PORT=${SYNCD_MAIL_SMTP_PORT:-1025}
SMTPS_PORT=${SYNCD_MAIL_SMTPS_PORT:-1465}
IMAP_PORT=${SYNCD_MAIL_IMAP_PORT:-1143}
WAIT_SECONDS=${SYNCD_MAIL_WAIT_SECONDS:-60}
PATH=/usr/sbin:/sbin:$PATH

fail() { echo "mail.sh: $*" >&2; exit 1; }

# Read the greeting of a port; the first word proves that the server behind it is up, not just the socket.
greets() {
  local port=$1 word=$2 line=
  { exec 9<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || return 1
  IFS= read -r -t 5 -u 9 line || true
  exec 9<&- 9>&-
  [[ $line == "$word"* ]]
}

smtp_is_up() { greets "$SMTP_PORT" 220; }
imap_is_up() { greets "$IMAP_PORT" '* OK'; }
is_up() { smtp_is_up && imap_is_up; }
is_taken() { (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

wait_until() {
  local what=$1 deadline=$((SECONDS + WAIT_SECONDS))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || fail "$what within $WAIT_SECONDS s; see $DIR/postfix.log and $DIR/dovecot.log"
    sleep 0.1
  done
}

# Packages start their services on port 25 and 143; a policy keeps apt from it unless the machine has one already.
install_packages() {
  command -v postfix >/dev/null && command -v dovecot >/dev/null && command -v openssl >/dev/null && return
  local policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt_install >"$DIR/apt.log" 2>&1 || { apt-get update && apt_install; } >>"$DIR/apt.log" 2>&1 ||
    fail "cannot install postfix and dovecot-imapd; see $DIR/apt.log"
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends dovecot-imapd postfix openssl
}

make_folders() {
  mkdir -p "$DIR"/{pf,queue/private,data,boxes,run,tls}
  chmod 755 "$DIR"
}

make_users() {
  getent passwd vmail >/dev/null || useradd -r -d "$DIR/boxes" -s /usr/sbin/nologin vmail
  chown vmail:vmail "$DIR/boxes"
  chown postfix "$DIR/data" "$DIR/queue/private"
  printf '%s@test.invalid:{PLAIN}secret\n' ops crm >"$DIR/users"
  printf '%s@test.invalid %s@test.invalid/\n' ops ops crm crm >"$DIR/pf/boxes"
}

make_certificate() {
  [[ -s $DIR/tls/cert.pem ]] && openssl x509 -checkend 86400 -noout -in "$DIR/tls/cert.pem" >/dev/null && return
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj "/CN=mail.test.invalid" \
    -addext "subjectAltName=IP:127.0.0.1,DNS:localhost" -keyout "$DIR/tls/key.pem" -out "$DIR/tls/cert.pem" 2>/dev/null
  chmod 600 "$DIR/tls/key.pem"
}

write_dovecot_conf() {
  cat >"$DIR/dovecot.conf" <<CONF
base_dir = $DIR/run
log_path = $DIR/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:$DIR/boxes/%u
first_valid_uid = 1
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u $DIR/users
}
userdb {
  driver = static
  args = uid=$(id -u vmail) gid=$(id -g vmail) home=$DIR/boxes/%u
}
service imap-login {
  inet_listener imap {
    address = 127.0.0.1
    port = $IMAP_PORT
  }
  inet_listener imaps {
    port = 0
  }
}
service auth {
  unix_listener $DIR/queue/private/dovecot-auth {
    mode = 0666
  }
}
CONF
}

# The distribution's services, on our port and without chroot: a chroot would need copies of half of /etc.
write_master_cf() {
  local shipped=/etc/postfix/master.cf
  [[ -e $shipped ]] || shipped=/usr/share/postfix/master.cf.dist
  sed -E -e "s/^smtp +inet.*smtpd\$/127.0.0.1:$SMTP_PORT inet n - n - - smtpd/" \
    -e 's/^([a-z].*[[:space:]])y([[:space:]]+[-0-9?]+[[:space:]]+[-0-9]+[[:space:]])/\1n\2/' "$shipped" >"$DIR/pf/master.cf"
  printf '127.0.0.1:%s inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n' "$SMTPS_PORT" >>"$DIR/pf/master.cf"
  if [[ -e /etc/postfix/dynamicmaps.cf ]]; then cp /etc/postfix/dynamicmaps.cf "$DIR/pf/"; fi
}

write_main_cf() {
  cat >"$DIR/pf/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $DIR/queue
data_directory = $DIR/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.test.invalid
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
default_transport = error:no outside delivery
relay_transport = error:no relay
virtual_mailbox_domains = test.invalid
virtual_mailbox_base = $DIR/boxes
virtual_mailbox_maps = texthash:$DIR/pf/boxes
virtual_uid_maps = static:$(id -u vmail)
virtual_gid_maps = static:$(id -g vmail)
message_size_limit = 10240000
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/dovecot-auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_cert_file = $DIR/tls/cert.pem
smtpd_tls_key_file = $DIR/tls/key.pem
maillog_file = $DIR/postfix.log
maillog_file_prefixes = $DIR
alias_maps =
alias_database =
CONF
}

# The name is checked too: after a crash the number in the file may belong to somebody else's process.
dovecot_is_running() {
  local pid
  pid=$(cat "$DIR/run/master.pid" 2>/dev/null) && [[ $(cat "/proc/$pid/comm" 2>/dev/null) == dovecot ]]
}
postfix_is_running() { postfix -c "$DIR/pf" status >/dev/null 2>&1; }
all_are_gone() { ! dovecot_is_running && ! postfix_is_running; }

start() {
  is_up && { echo "mail.sh: already running in $DIR"; return; }
  [[ $(id -u) == 0 ]] || fail "start needs root: Postfix and Dovecot switch users"
  make_folders
  install_packages
  stop_quietly
  for port in "$SMTP_PORT" "$SMTPS_PORT" "$IMAP_PORT"; do
    is_taken "$port" && fail "port $port is taken by something else; set SYNCD_MAIL_SMTP_PORT, _SMTPS_PORT or _IMAP_PORT"
  done
  make_users
  make_certificate
  write_dovecot_conf
  write_master_cf
  write_main_cf
  dovecot -c "$DIR/dovecot.conf"
  wait_until "Dovecot did not answer on port $IMAP_PORT" imap_is_up
  # `check` makes the queue folders with the rights that Postfix insists on; it warns about some that are no concern here.
  postfix -c "$DIR/pf" check 2>>"$DIR/postfix-start.log"
  postfix -c "$DIR/pf" start 2>>"$DIR/postfix-start.log" || fail "Postfix did not start; see $DIR/postfix-start.log"
  wait_until "Postfix did not answer on port $SMTP_PORT" smtp_is_up
  echo "mail.sh: SMTP 127.0.0.1:$SMTP_PORT (TLS $SMTPS_PORT), IMAP 127.0.0.1:$IMAP_PORT, in $DIR"
}

stop_quietly() {
  if postfix_is_running; then postfix -c "$DIR/pf" stop >/dev/null 2>&1 || true; fi
  if dovecot_is_running; then kill "$(cat "$DIR/run/master.pid")" 2>/dev/null || true; fi
  wait_until "the servers did not stop" all_are_gone
}

stop() {
  [[ $(id -u) == 0 ]] || fail "stop needs root"
  if [[ -d $DIR ]]; then stop_quietly; fi
  echo "mail.sh: stopped"
}

status() {
  if is_up; then echo "mail.sh: running in $DIR"; else echo "mail.sh: not running"; exit 3; fi
}

print_env() {
  cat <<CONF
export SYNCD_TEST_SMTP=smtp://ops%40test.invalid@127.0.0.1:$SMTP_PORT
export SYNCD_TEST_SMTPS=smtps://ops%40test.invalid@127.0.0.1:$SMTPS_PORT
export SYNCD_TEST_SMTP_PASSWORD=secret
export SYNCD_TEST_SMTP_CA=$DIR/tls/cert.pem
export SYNCD_TEST_IMAP=127.0.0.1:$IMAP_PORT
CONF
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  status) status ;;
  env) print_env ;;
  *) fail "usage: $0 start|stop|status|env" ;;
esac

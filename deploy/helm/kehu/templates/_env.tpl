{{/* (root, process): the settings of a process. */}}
{{- define "kehu.env" -}}
{{- $root := index . 0 -}}
{{- $process := index . 1 -}}
- {name: KEHU_LOG_LEVEL, value: {{ $process.logLevel }}}
- {name: KEHU_MONGODB_URI, value: "file:/etc/kehu/mongodb/uri"}
{{- if has $process.role (list "worker" "migrate") }}
- {name: KEHU_AMQP_URI, value: "file:/etc/kehu/rabbitmq/uri"}
{{- end }}
{{- if ne $process.role "migrate" }}
- {name: KEHU_TOKEN_KEYS, value: /etc/kehu/keys}
- {name: KEHU_ADMIN_LISTEN, value: "0.0.0.0:9090"}
- {name: KEHU_DRAIN_SECONDS, value: {{ $process.drainSeconds | int64 | quote }}}
- {name: KEHU_GRACE_SECONDS, value: {{ $process.graceSeconds | int64 | quote }}}
{{- range $peer := ne $process.role "web" | ternary $process.calls list }}
- {name: {{ printf "KEHU_TARGET_%s" (upper $peer) }}, value: {{ include "kehu.target" (list $root $peer) | quote }}}
{{- end }}
{{- end }}
{{- if and (ne $process.role "migrate") $root.Values.tls.existingSecret }}
{{- include "kehu.tlsEnv" $root }}
{{- end }}
{{- if eq $process.role "api" }}
{{- if $root.Values.tls.existingSecret }}
- {name: KEHU_TLS_CLIENTS, value: {{ $root.Values.tls.clients }}}
{{- end }}
- {name: KEHU_LISTEN, value: "0.0.0.0:50051"}
- {name: KEHU_CONNECTION_AGE_SECONDS, value: {{ $process.connectionAgeSeconds | int64 | quote }}}
- {name: KEHU_THREADS, value: {{ $process.threads | int64 | quote }}}
- {name: KEHU_STREAMS, value: {{ $process.streams | int64 | quote }}}
- {name: KEHU_TENANT_RATE, value: {{ $process.tenantRate | int64 | quote }}}
- {name: KEHU_REFLECTION, value: {{ ternary "yes" "no" $process.reflection | quote }}}
- {name: KEHU_TOKEN_ISSUER, value: {{ $process.tokenIssuer | quote }}}
{{- with $process.traceEndpoint }}
- {name: KEHU_TRACE_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if eq $process.role "web" }}
- {name: KEHU_LISTEN, value: "0.0.0.0:8080"}
- {name: KEHU_THREADS, value: {{ $process.threads | int64 | quote }}}
- {name: KEHU_WEB_HTTPS, value: {{ ternary "yes" "no" $process.https | quote }}}
- {name: KEHU_WEB_PROXIES, value: {{ $process.proxies | int64 | quote }}}
- {name: KEHU_WEB_RATE, value: {{ $process.rate | int64 | quote }}}
{{- end }}
{{- if eq $process.role "worker" }}
- {name: KEHU_LEASE, value: {{ $process.lease }}}
{{- if eq $process.lease "kubernetes" }}
- {name: KEHU_LEASE_PREFIX, value: {{ include "kehu.fullname" $root }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "kehu.tlsEnv" }}
- {name: KEHU_TLS_CERTIFICATE, value: /etc/kehu/tls/tls.crt}
- {name: KEHU_TLS_KEY, value: /etc/kehu/tls/tls.key}
- {name: KEHU_TLS_AUTHORITIES, value: /etc/kehu/tls/ca.crt}
{{- end -}}

{{/* (root, service): the volume with the certificate of a service. */}}
{{- define "kehu.tlsVolume" }}
- name: tls
  secret:
    secretName: {{ (index . 0).Values.tls.existingSecret | replace "<service>" (index . 1) }}
    defaultMode: 0440
    items:
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
      - {key: ca.crt, path: ca.crt}
{{- end -}}

{{/* (root, process): name → the secret's part that a process sees below /etc/kehu, as the volumes of its pod. */}}
{{- define "kehu.secrets" -}}
{{- $values := (index . 0).Values -}}
{{- $process := index . 1 -}}
- name: mongodb
  secret:
    secretName: {{ $values.mongodb.existingSecret | replace "<service>" $process.service }}
    defaultMode: 0440
    items:
      - {key: {{ $values.mongodb.uriKey | replace "<service>" $process.service | quote }}, path: uri}
{{- if has $process.role (list "worker" "migrate") }}
- name: rabbitmq
  secret:
    secretName: {{ $values.rabbitmq.existingSecret | replace "<service>" $process.service }}
    defaultMode: 0440
    items:
      - {key: {{ $values.rabbitmq.uriKey | replace "<service>" $process.service | quote }}, path: uri}
{{- end }}
{{- if eq $process.role "api" }}
- name: keys
  secret:
    secretName: {{ $values.keys.existingSecret }}
    defaultMode: 0440
{{- else if has $process.role (list "worker" "web") }}
- name: keys
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ $values.keys.existingSecret }}
          items:
            - {key: page.key, path: page.key}
            - {key: seal.key, path: seal.key}
      # There only while seal.key is replaced.
      - secret:
          name: {{ $values.keys.existingSecret }}
          optional: true
          items:
            - {key: seal.old.key, path: seal.old.key}
            - {key: seal.next.key, path: seal.next.key}
{{- end }}
{{- if $values.tls.existingSecret }}
{{- include "kehu.tlsVolume" (list (index . 0) $process.service) }}
{{- end }}
{{- end -}}

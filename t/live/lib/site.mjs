// The site: nginx's configuration, from a few values.

const TIMES = new Set(['interval', 'slack', 'idle', 'leave_grace',
  'max_interval', 'stream_life', 'retention', 'state_interval',
  'redis_timeout', 'redis_connect_timeout']);

function zoneBlock(name, { size, ...lines }) {
  const body = Object.entries(lines)
    .map(([key, value]) =>
      `        ${key} ${value}${TIMES.has(key) ? 'ms' : ''};`);

  return `    presence_zone ${name} ${size} {\n${body.join('\n')}\n    }`;
}

export const PORTS = ['h1', 'spread', 'narrow', 'tls', 'h2'];

const visits = (location) => `
        location /presence/ {
            presence agents;
            presence_user $http_x_user;
            presence_groups $http_x_groups;
            presence_view $view;
${location}
        }`;

/* narrow: little room in the kernel, so a slow reader is soon felt.
   spread: new connections go to all workers alike.
   Without a zone it is an nginx that has no such module. */
export function configuration(site, { ports, module, root, prefix }) {
  const { workers = 2, zone, main = '', http = '', server = '',
    location = '' } = site;

  return `
${root ? 'user root;' : ''}
${zone ? `load_module ${module};` : ''}
worker_processes ${workers};
worker_rlimit_nofile 16384;
pid nginx.pid;
error_log error.log info;
${main}

events {
    worker_connections 8192;
}

http {
    access_log off;
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;
    keepalive_timeout 600s;
    keepalive_requests 1000000;

${zone ? zoneBlock('agents', zone) : ''}

    map $http_x_view $view {
        default $http_x_view;
        ""      $http_x_groups;
    }
${http}

    server {
        listen 127.0.0.1:${ports.h1};
        listen 127.0.0.1:${ports.spread} reuseport;
        listen 127.0.0.1:${ports.narrow} sndbuf=16k;
        listen 127.0.0.1:${ports.tls} ssl;
        listen 127.0.0.1:${ports.h2} ssl http2;
        server_name localhost;
        ssl_certificate ${prefix}/site.crt;
        ssl_certificate_key ${prefix}/site.key;
        ${zone ? 'add_header X-Worker $pid always;' : ''}
${server}
${zone ? visits(location) : ''}
    }
}
`;
}

#include "ngx_http_presence_page.h"
#include "ngx_http_presence_block.h"


/* seconds after which a browser asks again */
#define NGX_HTTP_PRESENCE_PAGE_REFRESH  "5"

/* of the drawing of beats per second: a bar is 10 wide, 8 of them drawn */
#define NGX_HTTP_PRESENCE_PAGE_BAR      10
#define NGX_HTTP_PRESENCE_PAGE_HEIGHT   120


#define ngx_http_presence_page_print  ngx_http_presence_writer_print
#define ngx_http_presence_page_text   ngx_http_presence_writer_escaped


static void ngx_http_presence_page_head(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_page_figures(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_page_figure(ngx_http_presence_writer_t *w,
    const char *name, uint64_t value, const char *note);
static void ngx_http_presence_page_beats(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_page_worst(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_page_causes(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_page_workers(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_page_memory(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_page_clock(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_page_redis(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status);
static void ngx_http_presence_page_config(ngx_http_presence_writer_t *w,
    ngx_http_presence_zone_t *zone);
static void ngx_http_presence_page_meter(ngx_http_presence_writer_t *w,
    const char *name, uint64_t used, uint64_t size);
static void ngx_http_presence_page_bytes(ngx_http_presence_writer_t *w,
    uint64_t bytes);
static void ngx_http_presence_page_ms(ngx_http_presence_writer_t *w,
    ngx_http_presence_ms_t ms);
static void ngx_http_presence_page_wall(ngx_http_presence_writer_t *w,
    ngx_http_presence_ms_t wall);


static const char  ngx_http_presence_page_style[] =
    ":root{color-scheme:light dark;--page:#f4f6f9;--card:#fff;--line:#e1e5ec;"
    "--text:#18212d;--soft:#56616f;--accent:#3557d6;--track:#e6eaf1;"
    "--good:#147a47;--good-tint:#e3f4ea;--bad:#b3261e;--bad-tint:#fceaea;"
    "--warn:#8f5f00;--shadow:0 1px 2px rgb(20 30 50/.05),0 4px 16px "
    "rgb(20 30 50/.04)}"
    "@media(prefers-color-scheme:dark){:root{--page:#0e1319;--card:#161d26;"
    "--line:#27313e;--text:#e7ecf2;--soft:#9ba7b6;--accent:#8aa4ff;"
    "--track:#27313e;--good:#4cc38a;--good-tint:#12291f;--bad:#ff8079;"
    "--bad-tint:#351a1a;--warn:#e5b449;--shadow:none}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 "
    "Inter,ui-sans-serif,system-ui,-apple-system,\"Segoe UI\",Roboto,"
    "\"Helvetica Neue\",Arial,sans-serif}"
    "main{max-width:1180px;margin:0 auto;padding:28px 20px 48px;display:grid;"
    "gap:16px;grid-template-columns:repeat(12,minmax(0,1fr))}"
    "main>*{grid-column:1/-1;min-width:0}"
    "header{display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline}"
    "h1{font-size:24px;line-height:1.2;margin:0;letter-spacing:-.01em;"
    "overflow-wrap:anywhere}"
    "header p{margin:0;color:var(--soft);font-size:14px}"
    "h2{font-size:13px;font-weight:600;margin:0 0 12px;color:var(--soft)}"
    "section{background:var(--card);border:1px solid var(--line);"
    "border-radius:12px;padding:16px 18px;box-shadow:var(--shadow);"
    "overflow-x:auto}"
    ".half{grid-column:span 6}.third{grid-column:span 4}"
    ".well,.look{border-left:4px solid var(--good);background:"
    "var(--good-tint);font-weight:600}"
    ".look{border-left-color:var(--bad);background:var(--bad-tint)}"
    ".look ul{margin:0;padding-left:18px}.well p{margin:0}"
    ".figures{display:grid;gap:16px;grid-template-columns:"
    "repeat(auto-fit,minmax(150px,1fr))}"
    ".figures section p{margin:0;color:var(--soft);font-size:13px}"
    ".figures b{display:block;font-size:28px;line-height:1.15;color:"
    "var(--text);font-weight:650;letter-spacing:-.02em;"
    "font-variant-numeric:tabular-nums}"
    "table{border-collapse:collapse;width:100%;font-size:14px;"
    "font-variant-numeric:tabular-nums}"
    "th{font-weight:500;color:var(--soft);text-align:left;font-size:13px}"
    "th,td{padding:6px 14px 6px 0;border-bottom:1px solid var(--line);"
    "vertical-align:top}"
    "tr:last-child>*{border-bottom:0}td:last-child,th:last-child"
    "{padding-right:0}"
    ".n{text-align:right}td.id{overflow-wrap:anywhere;min-width:8em}"
    "td.bad{color:var(--bad);font-weight:600}"
    ".none{margin:0;color:var(--soft)}"
    "svg{display:block;width:100%;height:120px}"
    "rect{fill:var(--accent)}"
    "svg line{stroke:var(--line)}"
    ".axis{display:flex;justify-content:space-between;color:var(--soft);"
    "font-size:12px;margin-top:6px}"
    ".meter{margin:0 0 14px}.meter p{margin:0 0 6px;display:flex;"
    "justify-content:space-between;gap:12px;font-size:14px}"
    ".meter span{color:var(--soft)}"
    ".meter div{height:8px;border-radius:4px;background:var(--track);"
    "overflow:hidden}.meter i{display:block;height:100%;border-radius:4px;"
    "background:var(--accent)}.meter i.bad{background:var(--bad)}"
    "@media(max-width:820px){.half,.third{grid-column:1/-1}"
    "main{padding:20px 14px 36px;gap:12px}.figures{gap:12px;"
    "grid-template-columns:1fr 1fr}}"

    /* the trace of the user names the session */
    "@media(max-width:480px){.worst :is(th,td):nth-child(2){display:none}}";


void
ngx_http_presence_page_write(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_http_presence_page_head(w, status);
    ngx_http_presence_page_figures(w, status);
    ngx_http_presence_page_beats(w, status);
    ngx_http_presence_page_worst(w, status);
    ngx_http_presence_page_causes(w, status);
    ngx_http_presence_page_workers(w, status);
    ngx_http_presence_page_memory(w, status);
    ngx_http_presence_page_clock(w, status);

    if (status->reading.redis.configured) {
        ngx_http_presence_page_redis(w, status);
    }

    ngx_http_presence_page_config(w, status->reading.zone);
    ngx_http_presence_page_print(w, "</main>\n");
}


static void
ngx_http_presence_page_head(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_uint_t                 i;
    const ngx_str_t           *self;
    ngx_http_presence_zone_t  *zone;

    zone = status->reading.zone;
    self = ngx_http_presence_redis_reading_self(zone);

    ngx_http_presence_page_print(w,
                          "<!doctype html>\n<html lang=\"en\">\n"
                          "<meta charset=\"utf-8\">\n"
                          "<meta name=\"viewport\" content=\"width="
                          "device-width, initial-scale=1\">\n"
                          "<meta http-equiv=\"refresh\" content=\""
                          NGX_HTTP_PRESENCE_PAGE_REFRESH "\">\n<title>");
    ngx_http_presence_page_text(w, zone->name.data, zone->name.len);
    ngx_http_presence_page_print(w, ": presence</title>\n<style>");
    ngx_http_presence_page_print(w, "%*s",
                                 sizeof(ngx_http_presence_page_style) - 1,
                                 ngx_http_presence_page_style);
    ngx_http_presence_page_print(w, "</style>\n<main>\n<header><h1>");
    ngx_http_presence_page_text(w, zone->name.data, zone->name.len);
    ngx_http_presence_page_print(w, "</h1><p>on ");
    ngx_http_presence_page_text(w, self->data, self->len);
    ngx_http_presence_page_print(w, ", ");
    ngx_http_presence_page_wall(w, status->reading.wall);
    ngx_http_presence_page_print(w, "</p></header>\n");

    if (status->nfindings == 0) {
        ngx_http_presence_page_print(w, "<section class=\"well\">"
                                     "<p>All is well</p></section>\n");
        return;
    }

    ngx_http_presence_page_print(w, "<section class=\"look\"><ul>");

    for (i = 0; i < status->nfindings; i++) {
        ngx_http_presence_page_print(w, "<li>%*s", status->findings[i].len,
                                     status->findings[i].text);
    }

    ngx_http_presence_page_print(w, "</ul></section>\n");
}


static void
ngx_http_presence_page_figures(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_http_presence_reading_t  *reading;

    reading = &status->reading;

    ngx_http_presence_page_print(w, "<div class=\"figures\">\n");

    ngx_http_presence_page_figure(w, "Online",
                        reading->users[NGX_HTTP_PRESENCE_ONLINE],
                        "users");
    ngx_http_presence_page_figure(w, "Away",
                        reading->users[NGX_HTTP_PRESENCE_AWAY],
                        "users");
    ngx_http_presence_page_figure(w, "Busy",
                        reading->users[NGX_HTTP_PRESENCE_BUSY]
                        + reading->users[NGX_HTTP_PRESENCE_DND],
                        "users, or do not disturb");
    ngx_http_presence_page_figure(w, "Offline",
                        reading->users[NGX_HTTP_PRESENCE_OFFLINE],
                        "users, remembered");
    ngx_http_presence_page_figure(w, "Sessions", reading->sessions,
                        "tabs and devices");
    ngx_http_presence_page_figure(w, "Streams", reading->streams, "open");

    ngx_http_presence_page_print(w, "</div>\n");
}


static void
ngx_http_presence_page_figure(ngx_http_presence_writer_t *w, const char *name,
    uint64_t value, const char *note)
{
    ngx_http_presence_page_print(w, "<section><h2>%s</h2><p><b>%uL</b> %s</p>"
                                 "</section>\n", name, value, note);
}


static void
ngx_http_presence_page_beats(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    uint64_t    height;
    uint32_t    most;
    ngx_uint_t  i;

    for (i = 0, most = 1; i < NGX_HTTP_PRESENCE_STATUS_SECONDS; i++) {
        most = ngx_max(most, status->beats[i]);
    }

    ngx_http_presence_page_print(w,
                          "<section><h2>Beats per second: %uL.%uL on average "
                          "in the last minute, %uD at most</h2>"
                          "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio="
                          "\"none\" role=\"img\" aria-label=\"Beats per "
                          "second\">",
                          status->minute / NGX_HTTP_PRESENCE_STATUS_SECONDS,
                          status->minute * 10
                          / NGX_HTTP_PRESENCE_STATUS_SECONDS % 10,
                          status->minute ? most : 0,
                          NGX_HTTP_PRESENCE_STATUS_SECONDS
                          * NGX_HTTP_PRESENCE_PAGE_BAR,
                          NGX_HTTP_PRESENCE_PAGE_HEIGHT);

    for (i = 0; i < NGX_HTTP_PRESENCE_STATUS_SECONDS; i++) {

        height = (uint64_t) status->beats[i]
                 * (NGX_HTTP_PRESENCE_PAGE_HEIGHT - 4) / most;

        if (status->beats[i]) {
            height += 2;
            ngx_http_presence_page_print(w, "<rect x=\"%ui\" y=\"%uL\" "
                                         "width=\"8\" height=\"%uL\"/>",
                                         i * NGX_HTTP_PRESENCE_PAGE_BAR + 1,
                                         NGX_HTTP_PRESENCE_PAGE_HEIGHT
                                         - height, height);
        }
    }

    ngx_http_presence_page_print(w,
                          "<line x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>"
                          "</svg><div class=\"axis\"><span>a minute ago"
                          "</span><span>now</span></div></section>\n",
                          NGX_HTTP_PRESENCE_STATUS_SECONDS
                          * NGX_HTTP_PRESENCE_PAGE_BAR,
                          NGX_HTTP_PRESENCE_PAGE_HEIGHT,
                          NGX_HTTP_PRESENCE_PAGE_HEIGHT);
}


static void
ngx_http_presence_page_worst(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_uint_t                  i;
    ngx_http_presence_ms_t      now;
    ngx_http_presence_worst_t  *worst;

    now = status->reading.wall;

    ngx_http_presence_page_print(w, "<section><h2>Sessions that miss most "
                                 "beats now</h2>");

    if (status->nworst == 0) {
        ngx_http_presence_page_print(w, "<p class=\"none\">None misses any."
                                     "</p></section>\n");
        return;
    }

    ngx_http_presence_page_print(w, "<table class=\"worst\"><tr><th>User"
                                 "<th>Session<th class=\"n\">Missed"
                                 "<th class=\"n\">Silent for"
                                 "<th class=\"n\">Gone in");

    for (i = 0; i < status->nworst; i++) {
        worst = &status->worst[i];

        ngx_http_presence_page_print(w, "<tr><td class=\"id\">");
        ngx_http_presence_page_text(w, worst->user, worst->user_len);
        ngx_http_presence_page_print(w, "<td class=\"id\">");
        ngx_http_presence_page_text(w, worst->session, worst->session_len);
        ngx_http_presence_page_print(w, "<td class=\"n bad\">%ui"
                                     "<td class=\"n\">", worst->missed);
        ngx_http_presence_page_ms(w, now - worst->last_seen);
        ngx_http_presence_page_print(w, "<td class=\"n\">");
        ngx_http_presence_page_ms(w, ngx_max(worst->deadline - now, 0));
    }

    ngx_http_presence_page_print(w, "</table></section>\n");
}


static void
ngx_http_presence_page_causes(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_uint_t                     i;
    ngx_http_presence_counters_t  *counters;

    counters = &status->reading.counters;

    ngx_http_presence_page_print(w, "<section class=\"half\"><h2>Late beats, "
                                 "since nginx started: %uL missed in all</h2>"
                                 "<table><tr><th>Cause<th class=\"n\">Late"
                                 "<th class=\"n\">Called gone, and were there",
                                 counters->missed);

    for (i = 0; i < NGX_HTTP_PRESENCE_NCAUSES; i++) {
        ngx_http_presence_page_print(w, "<tr><td>%s<td class=\"n\">%uL"
                                     "<td class=\"n%s\">%uL",
                                     ngx_http_presence_cause_names[i],
                                     counters->late[i],
                                     counters->recovered[i] ? " bad" : "",
                                     counters->recovered[i]);
    }

    ngx_http_presence_page_print(w, "</table></section>\n");
}


static void
ngx_http_presence_page_workers(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_uint_t                   i;
    ngx_http_presence_worker_t  *worker;

    ngx_http_presence_page_print(w, "<section class=\"half\"><h2>Workers</h2>"
                                 "<table><tr><th>Process"
                                 "<th class=\"n\">Streams"
                                 "<th class=\"n\">Deadlines");

    for (i = 0; i < NGX_HTTP_PRESENCE_MAX_WORKERS; i++) {
        worker = &status->reading.counters.workers[i];

        if (ngx_http_presence_counters_is_alive(worker)) {
            ngx_http_presence_page_print(w, "<tr><td>%P<td class=\"n\">%uD"
                                         "<td class=\"n\">%s", worker->pid,
                                         worker->streams,
                                         worker->pid == status->leader
                                         ? "looks at them" : "");
        }
    }

    ngx_http_presence_page_print(w, "</table></section>\n");
}


static void
ngx_http_presence_page_memory(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_http_presence_reading_t  *reading;

    reading = &status->reading;

    ngx_http_presence_page_print(w, "<section class=\"half\"><h2>Memory</h2>");

    ngx_http_presence_page_meter(w, "Zone", reading->bytes[0],
                                 reading->zone->size);
    ngx_http_presence_page_meter(w, "Change ring", status->ring_used,
                                 status->ring_size);

    ngx_http_presence_page_print(w, "<table><tr><td>Changes in the ring"
                                 "<td class=\"n\">%uL to %uL"
                                 "<tr><td>Offline users forgotten early"
                                 "<td class=\"n\">%uL"
                                 "<tr><td>Found no room<td class=\"n%s\">%uL"
                                 "<tr><td>Rebuilt<td class=\"n%s\">%uL"
                                 "<tr><td>Epoch<td class=\"n\">%016xL</table>"
                                 "</section>\n",
                                 status->first, reading->changes,
                                 reading->counters.evicted,
                                 reading->counters.full ? " bad" : "",
                                 reading->counters.full,
                                 reading->counters.rebuilt ? " bad" : "",
                                 reading->counters.rebuilt, status->epoch);
}


static void
ngx_http_presence_page_clock(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    ngx_uint_t  i;

    ngx_http_presence_page_print(w, "<section class=\"half\"><h2>Time in "
                                 "which nobody could be heard: ");
    ngx_http_presence_page_ms(w, status->reading.deaf);
    ngx_http_presence_page_print(w, " in all</h2>");

    if (status->nepisodes == 0) {
        ngx_http_presence_page_print(w, "<p class=\"none\">None.</p>"
                                     "</section>\n");
        return;
    }

    ngx_http_presence_page_print(w, "<table><tr><th>From"
                                 "<th class=\"n\">Length");

    for (i = status->nepisodes; i-- > 0; /* void */ ) {
        ngx_http_presence_page_print(w, "<tr><td>");
        ngx_http_presence_page_wall(w, status->episodes[i].at);
        ngx_http_presence_page_print(w, "<td class=\"n\">");
        ngx_http_presence_page_ms(w, status->episodes[i].length);
    }

    ngx_http_presence_page_print(w, "</table></section>\n");
}


static void
ngx_http_presence_page_redis(ngx_http_presence_writer_t *w,
    ngx_http_presence_status_t *status)
{
    uint64_t                            value;
    ngx_uint_t                          i;
    ngx_http_presence_redis_reading_t  *redis;

    /* as they are counted */

    static const char *const  words[] = {
        "Users sent and answered", "Users answered with an error",
        "Users not sent, or not answered", "Sessions taken over as others tell",
        "Sessions taken over from dead nodes", "Connections made",
        "Connections lost, or not made", "Scripts sent in full",
        "Looks at everybody"
    };

    redis = &status->reading.redis;

    ngx_http_presence_page_print(w, "<section class=\"half\"><h2>Redis: %s",
                                 redis->up ? "serves" : "does not serve");

    if (redis->changed) {
        ngx_http_presence_page_print(w, " since ");
        ngx_http_presence_page_wall(w, redis->changed);
    }

    ngx_http_presence_page_print(w, "</h2><table><tr><td>This node"
                                 "<td class=\"n id\">");
    ngx_http_presence_page_text(w, redis->self, redis->self_len);
    ngx_http_presence_page_print(w, "<tr><td>Nodes alive<td class=\"n\">%uL"
                                 "<tr><td>Users that wait to be sent"
                                 "<td class=\"n\">%uL"
                                 "<tr><td>Sent and not answered"
                                 "<td class=\"n\">%uL"
                                 "<tr><td>The longest has waited"
                                 "<td class=\"n\">",
                                 redis->nodes, redis->queued, redis->sent);
    ngx_http_presence_page_ms(w, redis->lag);

    for (i = 0; ngx_http_presence_status_redis(&redis->counters, i, &value);
         i++)
    {
        ngx_http_presence_page_print(w, "<tr><td>%s<td class=\"n\">%uL",
                                     words[i], value);
    }

    if (redis->why_len) {
        ngx_http_presence_page_print(w, "<tr><td>Last error"
                                     "<td class=\"n id%s\">",
                                     redis->up ? "" : " bad");
        ngx_http_presence_page_text(w, redis->why, redis->why_len);
    }

    ngx_http_presence_page_print(w, "</table></section>\n");
}


static void
ngx_http_presence_page_config(ngx_http_presence_writer_t *w,
    ngx_http_presence_zone_t *zone)
{
    int64_t      value;
    ngx_uint_t   i;
    const char  *name;

    ngx_http_presence_page_print(w, "<section class=\"half\"><h2>Times"
                                 "</h2><table>");

    for (i = 0; (name = ngx_http_presence_block_nth(zone, 1, i, &value)); i++)
    {
        ngx_http_presence_page_print(w, "<tr><td>%s<td class=\"n\">", name);
        ngx_http_presence_page_ms(w, value);
    }

    ngx_http_presence_page_print(w, "</table></section>\n"
                                 "<section class=\"half\"><h2>Bounds</h2>"
                                 "<table><tr><td>size<td class=\"n\">");
    ngx_http_presence_page_bytes(w, zone->size);

    for (i = 0; (name = ngx_http_presence_block_nth(zone, 0, i, &value)); i++)
    {
        ngx_http_presence_page_print(w, "<tr><td>%s<td class=\"n\">%L", name,
                                     value);
    }

    if (zone->state_file.len) {
        ngx_http_presence_page_print(w, "<tr><td>state<td class=\"n id\">");
        ngx_http_presence_page_text(w, zone->state_file.data,
                                    zone->state_file.len);
    }

    ngx_http_presence_page_print(w, "</table></section>\n");
}


static void
ngx_http_presence_page_meter(ngx_http_presence_writer_t *w, const char *name,
    uint64_t used, uint64_t size)
{
    ngx_uint_t  percent;

    percent = size ? (ngx_uint_t) (used * 100 / size) : 0;

    ngx_http_presence_page_print(w, "<div class=\"meter\"><p>%s <span>", name);
    ngx_http_presence_page_bytes(w, used);
    ngx_http_presence_page_print(w, " of ");
    ngx_http_presence_page_bytes(w, size);
    ngx_http_presence_page_print(w, "</span></p><div><i style=\"width:%ui%%\""
                                 "></i></div></div>", percent);
}


static void
ngx_http_presence_page_bytes(ngx_http_presence_writer_t *w, uint64_t bytes)
{
    if (bytes >= 10 * 1024 * 1024) {
        ngx_http_presence_page_print(w, "%uL MiB", bytes / 1024 / 1024);

    } else {
        ngx_http_presence_page_print(w, "%uL KiB", bytes / 1024);
    }
}


static void
ngx_http_presence_page_ms(ngx_http_presence_writer_t *w,
    ngx_http_presence_ms_t ms)
{
    if (ms >= 48 * 3600 * 1000) {
        ngx_http_presence_page_print(w, "%L d", ms / 86400000);

    } else if (ms >= 2 * 3600 * 1000) {
        ngx_http_presence_page_print(w, "%L h", ms / 3600000);

    } else if (ms >= 2 * 60 * 1000) {
        ngx_http_presence_page_print(w, "%L min", ms / 60000);

    } else if (ms >= 10 * 1000 || ms % 1000 == 0) {
        ngx_http_presence_page_print(w, "%L s", ms / 1000);

    } else if (ms >= 1000) {
        ngx_http_presence_page_print(w, "%L.%L s", ms / 1000,
                                     ms % 1000 / 100);

    } else {
        ngx_http_presence_page_print(w, "%L ms", ms);
    }
}


static void
ngx_http_presence_page_wall(ngx_http_presence_writer_t *w,
    ngx_http_presence_ms_t wall)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) (wall / 1000), &tm);

    ngx_http_presence_page_print(w, "%4d-%02d-%02d %02d:%02d:%02d UTC",
                                 tm.ngx_tm_year, tm.ngx_tm_mon,
                                 tm.ngx_tm_mday, tm.ngx_tm_hour,
                                 tm.ngx_tm_min, tm.ngx_tm_sec);
}

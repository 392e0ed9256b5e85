// The rows are in the page once, as the text of <noscript>: HTML that was escaped where it
// was made. Only those that are looked at become elements.
(() => {
  'use strict';
  const chunk = 100;
  const byId = (id) => document.getElementById(id);
  const main = byId('rows'), tools = byId('tools'), q = byId('q'), count = byId('count'), reset = byId('reset'), empty = byId('empty');
  const selects = [...tools.querySelectorAll('select')], chips = [...tools.querySelectorAll('.chip')];

  const entities = { amp: '&', lt: '<', gt: '>', '#34': '"', '#39': "'", '#43': '+', '#96': '`' };
  const decoded = (text) => text.replace(/&(amp|lt|gt|#34|#39|#43|#96);/g, (_, name) => entities[name]);
  const attributes = (tag) => Object.fromEntries([...tag.matchAll(/ (?:data-)?([a-z]+)="([^"]*)"/g)].map((m) => [m[1], decoded(m[2])]));

  const rows = [], places = new Map();
  for (const section of byId('static').textContent.split('<section').slice(1)) {
    const [head, ...pieces] = section.split('<details');
    const of = attributes(head.slice(0, head.indexOf('>')));
    const title = head.slice(head.indexOf('>') + 1);
    for (const piece of pieces) {
      const row = attributes(piece.slice(0, piece.indexOf('>')));
      row.who = row.who.split(' ');
      row.server = of.server;
      row.service = of.service;
      row.group = of.server + '\n' + of.service;
      row.title = title;
      row.html = '<details' + piece.slice(0, piece.lastIndexOf('</details>')) + '</details>';
      places.set(row.id, rows.length);
      rows.push(row);
    }
  }
  main.textContent = '';

  const words = (row) => (row.words ??= (row.service + '/' + decoded(row.html.slice(row.html.indexOf('>')).replace(/<[^>]*>/g, ' ')) + ' ' + row.server).toLowerCase());
  const element = (html) => {
    const holder = document.createElement('template');
    holder.innerHTML = html;
    return holder.content;
  };

  let shown = rows, from = 0, to = 0;
  const edge = (id, text, go) => {
    const box = document.createElement('div'), button = document.createElement('button');
    box.className = 'edge';
    button.type = 'button';
    button.id = id;
    button.textContent = text;
    button.addEventListener('click', go);
    box.append(button);
    return box;
  };
  const piece = (start, end) => {
    const part = document.createDocumentFragment();
    for (let i = start; i < end; i++) {
      if (i === start || shown[i].group !== shown[i - 1].group) {
        const title = element(shown[i].title);
        if (i === 0 || shown[i].group !== shown[i - 1].group) part.append(title);
      }
      const row = element(shown[i].html);
      if (i + 1 === shown.length || shown[i + 1].group !== shown[i].group) row.firstElementChild.classList.add('last');
      part.append(row);
    }
    return part;
  };
  const watch = new IntersectionObserver((seen) => { if (seen.some((s) => s.isIntersecting)) after(); }, { rootMargin: '1200px' });
  const edges = () => {
    main.querySelectorAll('.edge').forEach((box) => box.remove());
    if (from > 0) main.prepend(edge('before', `Show ${Math.min(chunk, from)} of ${from} methods before`, before));
    watch.disconnect();
    if (to < shown.length) {
      const box = edge('more', `Show more of ${(shown.length - to)} methods`, after);
      main.append(box);
      watch.observe(box);
    }
  };
  const after = (_, end = to + chunk) => {
    const next = Math.min(shown.length, end);
    const part = piece(to, next);
    to = next;
    main.append(part);
    edges();
  };
  const before = () => {
    const start = Math.max(0, from - chunk);
    const part = piece(start, from);
    from = start;
    main.prepend(part);
    edges();
  };
  const render = (at = 0) => {
    main.textContent = '';
    from = to = Math.max(0, at > chunk ? at - 20 : 0);
    after();
  };

  const pressed = (name) => chips.filter((chip) => chip.dataset[name] && chip.getAttribute('aria-pressed') === 'true').map((chip) => chip.dataset[name]);
  const filter = (at) => {
    const terms = q.value.toLowerCase().split(/\s+/).filter(Boolean), access = pressed('access'), flags = pressed('flag');
    const chosen = selects.filter((select) => select.value).map((select) => [select.dataset.filter, select.value]);
    const active = terms.length + access.length + flags.length + chosen.length > 0;
    shown = !active ? rows : rows.filter((row) =>
      (access.length === 0 || access.includes(row.access)) &&
      flags.every((flag) => row[flag] !== '' && row[flag] !== 'false') &&
      chosen.every(([name, value]) => (name === 'who' ? row.who.includes(value) || (row.who.includes('?') && value !== '-') : row[name] === value)) &&
      terms.every((term) => words(row).includes(term)));
    const methods = rows.length === 1 ? 'method' : 'methods';
    count.textContent = active ? `${shown.length} of ${rows.length} ${methods}` : `${rows.length} ${methods}`;
    reset.hidden = !active;
    empty.hidden = shown.length > 0;
    render(at);
  };
  const clear = (at) => {
    q.value = '';
    selects.forEach((select) => { select.value = ''; });
    chips.forEach((chip) => chip.setAttribute('aria-pressed', 'false'));
    filter(at);
  };

  const follow = () => {
    let id = '';
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; }
    const place = places.get(id);
    if (place === undefined) return;
    let row = byId(id);
    if (!row) {
      const at = shown.indexOf(rows[place]);
      if (at >= 0) render(at); else clear(place);
      row = byId(id);
    }
    main.querySelectorAll('.linked').forEach((other) => other.classList.remove('linked'));
    row.classList.add('linked');
    row.open = true;
    row.scrollIntoView({ block: 'start' });
    row.querySelector('summary').focus({ preventScroll: true });
  };

  let pending = 0;
  q.addEventListener('input', () => { clearTimeout(pending); pending = setTimeout(filter, 80); });
  tools.addEventListener('submit', (event) => { event.preventDefault(); filter(); });
  selects.forEach((select) => select.addEventListener('change', () => filter()));
  chips.forEach((chip) => chip.addEventListener('click', () => {
    chip.setAttribute('aria-pressed', String(chip.getAttribute('aria-pressed') !== 'true'));
    filter();
  }));
  reset.addEventListener('click', () => { clear(); q.focus(); });
  byId('clear').addEventListener('click', () => { clear(); q.focus(); });
  byId('toggle').addEventListener('click', (event) => {
    const open = byId('filters').classList.toggle('open');
    event.currentTarget.setAttribute('aria-expanded', String(open));
  });
  // A slash goes to the search. It is taken when it is pressed, and answered when it is let go.
  const slash = (event) => event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !['INPUT', 'SELECT', 'TEXTAREA'].includes(event.target.tagName);
  document.addEventListener('keydown', (event) => { if (slash(event)) event.preventDefault(); });
  document.addEventListener('keyup', (event) => { if (slash(event)) { q.focus(); q.select(); } });
  window.addEventListener('hashchange', follow);
  window.addEventListener('beforeprint', () => { if (from > 0) { from = to = 0; main.textContent = ''; } if (to < shown.length) after(null, shown.length); });

  filter();
  follow();
})();

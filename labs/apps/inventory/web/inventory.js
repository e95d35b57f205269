const byId = (id) => document.getElementById(id);
let items = [];

async function ask(path, body) {
  const request = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  // Relative, so that the page also works behind a path of somebody else's server.
  const response = await fetch(`api${path}`, request);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `the API answered ${response.status}`);
  return answer;
}

async function attempt(work) {
  const problem = byId("problem");
  try {
    await work();
    problem.hidden = true;
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

function cell(row, text, className) {
  const td = row.insertCell();
  td.textContent = text;
  if (className) td.className = className;
  return td;
}

function bookingCell(row, item) {
  const td = row.insertCell();
  td.className = "right";
  const form = document.createElement("form");
  const delta = document.createElement("input");
  delta.type = "number";
  delta.required = true;
  delta.placeholder = "+/−";
  delta.setAttribute("aria-label", `Change of ${item.name}`);
  const button = document.createElement("button");
  button.textContent = "Book";
  form.append(delta, " ", button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(async () => {
      await ask(`/items/${item.id}/adjust`, { delta: Number(delta.value), reason: "web" });
      await load();
    });
  });
  td.append(form);
}

function show() {
  const wanted = byId("find").value.trim().toLowerCase();
  const shown = items.filter(({ sku, name, location }) =>
    `${sku} ${name} ${location}`.toLowerCase().includes(wanted),
  );
  const body = byId("items");
  body.replaceChildren();
  for (const item of shown) {
    const row = body.insertRow();
    cell(row, item.sku);
    cell(row, item.name);
    cell(row, item.location);
    cell(row, item.quantity, item.quantity < item.reorder_at ? "right low" : "right");
    bookingCell(row, item);
  }
  const low = items.filter((item) => item.quantity < item.reorder_at).length;
  byId("summary").textContent = `${shown.length} of ${items.length} items, ${low} to reorder`;
}

async function load() {
  items = (await ask("/items")).items;
  show();
}

async function introduce() {
  const me = await ask("/whoami");
  byId("greeting").textContent = me.greeting;
  byId("warehouse").textContent = me.warehouse;
  byId("hostname").textContent = me.hostname;
  byId("runs-on").textContent = me.runsOn;
  byId("database").textContent = me.database;
  byId("version").textContent = me.version;
}

byId("find").addEventListener("input", show);
byId("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  void attempt(async () => {
    const { sku, name, location, quantity } = Object.fromEntries(new FormData(form));
    await ask("/items", { sku, name, location, quantity: Number(quantity) });
    form.reset();
    await load();
  });
});
void attempt(async () => {
  await introduce();
  await load();
});

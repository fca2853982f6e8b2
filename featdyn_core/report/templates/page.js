// The page is whole without this: it only hides what a reader does not ask for.
(() => {
  const form = document.getElementById("filter");
  const parts = [...document.querySelectorAll("[data-claim]")];
  const text = {};
  for (const part of parts)
    for (const words of part.querySelectorAll("th[scope=row], .title, blockquote"))
      text[part.dataset.claim] = `${text[part.dataset.claim] ?? ""} ${words.textContent}`.toLowerCase();
  const apply = () => {
    const asked = Object.fromEntries(new FormData(form));
    const matches = item =>
      ["verdict", "subject"].every(name => !asked[name] || item.dataset[name] === asked[name]) &&
      (!asked.changed || "changed" in item.dataset);
    const found = new Set();
    for (const part of parts) {
      const items = [...part.querySelectorAll("[data-verdict]")];
      for (const item of items) item.hidden = !matches(item);
      const claim = part.dataset.claim;
      part.hidden = Boolean(asked.claim && asked.claim !== claim)
        || !text[claim].includes(asked.words.trim().toLowerCase()) || items.every(item => item.hidden);
      if (!part.hidden) found.add(claim);
    }
    form.querySelector("output").value = `${found.size} of ${Object.keys(text).length} claims`;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  for (const button of form.querySelectorAll("button[data-open]"))
    button.addEventListener("click", () => {
      for (const part of document.querySelectorAll("details[data-claim]")) part.open = button.dataset.open === "all";
    });
})();

-- Taking parts out of JSON that pydantic wrote, without reading it into a table: cjson would turn an empty list into
-- an object and lose digits. A raw quote never stands inside a JSON string, so '"key":' can only be a key.

-- Position of the quote that ends the string whose text begins at `from`.
local function string_end(json, from)
  while true do
    local at = string.find(json, '["\\]', from)
    if string.sub(json, at, at) == '"' then
      return at
    end
    from = at + 2
  end
end

-- The mention without its text.
local function without_text(json)
  local _, quote = string.find(json, '"text":"', 1, true)
  return string.sub(json, 1, quote) .. string.sub(json, string_end(json, quote + 1))
end

-- The classification without its evidence, which quotes the text.
local function without_evidence(json)
  local _, bracket = string.find(json, '"evidence":[', 1, true)
  if not bracket then
    return json
  end
  local at, depth = bracket + 1, 1
  while true do
    at = string.find(json, '["%[%]]', at)
    local sign = string.sub(json, at, at)
    if sign == '"' then
      at = string_end(json, at + 1)
    elseif sign == '[' then
      depth = depth + 1
    else
      depth = depth - 1
      if depth == 0 then
        return string.sub(json, 1, bracket) .. string.sub(json, at)
      end
    end
    at = at + 1
  end
end

-- Sends every chest radiograph that Orthanc receives to the node. Results of the node are never sent back to it.
--
-- In orthanc.json:
--   "LuaScripts" : [ "/etc/orthanc/route.lua" ],
--   "LuaHeartBeatPeriod" : 30,
--   "DicomModalities" : { "sgseg" : [ "SGSEG", "10.1.2.3", 11112 ] }
--
-- What the node does not take (it is down, or its disk is full) is tried again. Orthanc 1.11.1 and newer do so at each
-- heartbeat; older ones when the next object comes. A restart of Orthanc forgets what had failed: the Python plugin
-- (route.py) remembers it.

-- The node's name in "DicomModalities".
local NODE = 'sgseg'

-- What modalities call the chest in Body Part Examined (0018,0015). Add the words of yours. An image that states no
-- body part is sent: the node looks at it, and answers what it does not judge.
local CHEST = { 'CHEST', 'THORAX', 'TORAX', 'TORACE', 'LUNG', 'PULM', 'CXR', 'RIB' }

-- Computed Radiography, and Digital X-Ray FOR PRESENTATION. A FOR PROCESSING image is not for people to see.
local RADIOGRAPHS = {
   ['1.2.840.10008.5.1.4.1.1.1'] = true,
   ['1.2.840.10008.5.1.4.1.1.1.1'] = true
}

local FIRST_PAUSE, LONGEST_PAUSE = 10, 600 -- seconds

local jobs = {}    -- the instance of each job that is on its way
local waiting = {} -- of an instance that was not taken: when it is tried again, and the pause before that

-- Orthanc gives a sequence as a list of tables.
local function any(items, fits)
   if type(items) == 'table' then
      for _, item in pairs(items) do
         if type(item) == 'table' and fits(item) then
            return true
         end
      end
   end
   return false
end

-- By the equipment that made or processed it, never by a description: people edit those.
local function isResult(tags)
   if tags['Manufacturer'] == 'sgseg-dicom' then
      return true
   end
   return any(tags['ContributingEquipmentSequence'], function(equipment)
      return equipment['Manufacturer'] == 'sgseg-dicom'
         and any(equipment['PurposeOfReferenceCodeSequence'], function(code)
            return code['CodeValue'] == '109102' -- Processing Equipment (PS3.16 CID 7005)
         end)
   end)
end

local function isChest(tags)
   local part = string.upper(tags['BodyPartExamined'] or '')
   if string.match(part, '^%s*$') then
      return true
   end
   for _, word in ipairs(CHEST) do
      if string.find(part, word, 1, true) then
         return true
      end
   end
   return false
end

local function send(instance)
   local job = RestApiPost('/modalities/' .. NODE .. '/store',
                           '{"Resources":["' .. instance .. '"],"Asynchronous":true}')
   jobs[ParseJson(job)['ID']] = instance
end

local function sendAgain()
   local due = {}
   for instance, wait in pairs(waiting) do
      if not wait.sent and wait.at <= os.time() then
         due[#due + 1] = instance
      end
   end
   for _, instance in ipairs(due) do
      waiting[instance].sent = true
      send(instance)
   end
end

function OnStoredInstance(instanceId, tags, metadata, origin)
   if RADIOGRAPHS[tags['SOPClassUID']] and isChest(tags) and not isResult(tags) then
      send(instanceId)
   end
   sendAgain()
end

function OnHeartBeat()
   sendAgain()
end

function OnJobSuccess(jobId)
   local instance = jobs[jobId]
   if instance ~= nil then
      jobs[jobId] = nil
      waiting[instance] = nil
   end
end

function OnJobFailure(jobId)
   local instance = jobs[jobId]
   if instance ~= nil then
      jobs[jobId] = nil
      local before = waiting[instance]
      local pause = before and math.min(2 * before.pause, LONGEST_PAUSE) or FIRST_PAUSE
      waiting[instance] = { at = os.time() + pause, pause = pause }
      print('sgseg: instance ' .. instance .. ' was not taken; it is tried again in ' .. pause .. ' s or later')
   end
end

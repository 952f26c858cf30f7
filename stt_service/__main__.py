from runtime.process import run
from stt_service.app import SERVICE

run(SERVICE)

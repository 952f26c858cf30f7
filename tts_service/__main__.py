from runtime.process import run
from tts_service.app import SERVICE

run(SERVICE)
